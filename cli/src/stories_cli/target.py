"""The installation that a command uses: the stack in `--data`, else the environment or `--env-file`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import USAGE, abort
from .installed import EMBEDDED

if TYPE_CHECKING:
    from stories_embedded.data_dir import DataDir, StackState

Data = Annotated[
    Path, typer.Option("--data", metavar="DIR", help="Data folder of the embedded stack.", file_okay=False)
]
EnvFile = Annotated[
    Path | None,
    typer.Option(
        "--env-file",
        metavar="FILE",
        help="Read settings from NAME=value lines, over those of the environment, and ignore the stack in --data.",
    ),
]
DEFAULT_DATA = Path(".stories")


def folder(data: Path) -> "DataDir":
    """The data folder, for commands of the embedded stack."""
    if not EMBEDDED:
        abort("the embedded stack is not installed here; it is part of a checkout (make install)")
    from stories_embedded.data_dir import DataDir

    return DataDir(data)


def running(data: Path) -> "StackState | None":
    """The stack that runs in the folder, or None."""
    return folder(data).running() if EMBEDDED else None


def settings(data: Path, env_file: Path | None = None, service: str | None = None) -> dict[str, str]:
    """Settings named as in the environment: of the running stack, else of `--env-file` over the environment.

    With `service`, the settings of that service.
    """
    if env_file is None and (stack := running(data)):
        if service and service not in stack.services:
            abort(f"no such service: {service}", USAGE)
        return dict(stack.services[service] if service else stack.settings)
    return dict(os.environ) | (read_env_file(env_file) if env_file else {})


def read_env_file(path: Path) -> dict[str, str]:
    """Parse `NAME=value` lines; skips blank lines and comments, strips `export` and one pair of quotes."""
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        abort(f"{path}: {error.strerror}", USAGE)
    found: dict[str, str] = {}
    for line in lines:
        name, is_setting, value = line.strip().removeprefix("export ").partition("=")
        if is_setting and name and not name.startswith("#"):
            value = value.strip()
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
            found[name.strip()] = value[1:-1] if quoted else value
    return found

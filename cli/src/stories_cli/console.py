"""Output: results on standard output, messages on standard error, one line for an error."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from stories_shared.clock import rfc3339

FAILED, USAGE, NOT_ALL_RUNNING = 1, 2, 3
MAX_WIDTH = 400

TRY_IT, STACK, OPERATE, DEVELOP = "Try it", "Embedded stack", "Operate an installation", "Develop"
"""Help panels."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
AsJsonLines = Annotated[bool, typer.Option("--json", help="Print JSON instead of text, one object per line.")]

stdout = Console(soft_wrap=True, highlight=False)
stderr = Console(stderr=True, soft_wrap=True, highlight=False)


def print_json(value: Any) -> None:
    """Print a result as indented JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=rfc3339))


def print_json_line(value: Any) -> None:
    """Print one of many results as a line of JSON."""
    print(json.dumps(value, ensure_ascii=False, default=rfc3339), flush=True)


def print_table(table: Table) -> None:
    """Print a table on standard output without truncation: a pipe has no width, and a narrow terminal wraps."""
    Console(width=MAX_WIDTH, highlight=False).print(table)


def info(message: str) -> None:
    """Print a message on standard error."""
    stderr.print(message, markup=False)


def abort(message: str, code: int = FAILED) -> NoReturn:
    """Print an error and exit."""
    info(f"stories: {message}")
    raise typer.Exit(code)


@contextmanager
def exit_on(*kinds: type[Exception]) -> Iterator[None]:
    """Turn expected exceptions into one line and exit code 1."""
    try:
        yield
    except kinds as error:
        abort(str(error))


def one_of(values: Callable[[], list[str]]) -> Callable[[str], list[str]]:
    """Shell completion by prefix."""
    return lambda incomplete: [value for value in values() if value.startswith(incomplete)]

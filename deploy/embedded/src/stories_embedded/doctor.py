"""Everything that this machine lacks to run the stack, each with the command that installs it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from . import jars, paths
from .data_dir import DataDir
from .paths import NotInstalled
from .ports import holder, is_free

GATEWAY_PORT = 8080


def missing(folder: DataDir) -> list[str]:
    """One line or more for each missing requirement; empty if the stack can run."""
    found = [*_preflight(), *_programs()]
    if not folder.is_locked() and not is_free(GATEWAY_PORT):
        who = holder(GATEWAY_PORT) or "an unknown process"
        found.append(f"port {GATEWAY_PORT} is taken by {who}: stories up --gateway-port N")
    return found


def _preflight() -> list[str]:
    script = str(paths.EMBEDDED / "preflight.sh")
    run = subprocess.run(
        ["sh", script, sys.executable], check=False, cwd=paths.CHECKOUT, capture_output=True, text=True
    )
    return run.stderr.splitlines()


def _programs() -> list[str]:
    parts: dict[str, Callable[[], object]] = {
        "Kafka": jars.classpath,
        "Java": lambda: _runs(paths.java(), "-version"),
        "mongod": lambda: _runs(paths.mongod(), "--version"),
        "SeaweedFS": lambda: _runs(paths.script("weed"), "version"),
        "Caddy": lambda: _runs(paths.script("caddy"), "version"),
    }
    found = []
    for name, check in parts.items():
        try:
            check()
        except (NotInstalled, OSError, subprocess.SubprocessError) as error:
            found.append(f"{name}: {error}")
    return found


def _runs(program: Path, argument: str) -> None:
    subprocess.run([str(program), argument], check=True, capture_output=True, timeout=20)

"""What this machine lacks to run the stack, all at once, each with the command for it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from . import checkout, jars
from .checkout import NotInstalled
from .ports import holder, is_free
from .state import Folder

GATEWAY_PORT = 8080


def missing(folder: Folder) -> list[str]:
    """One line or more for each thing missing; empty where the stack can run."""
    found = [*_preflight(), *_programs()]
    if not folder.held() and not is_free(GATEWAY_PORT):
        who = holder(GATEWAY_PORT) or "a process that cannot be seen from here"
        found.append(f"port {GATEWAY_PORT} is taken by {who}: stories up --gateway-port N")
    return found


def _preflight() -> list[str]:
    script = str(checkout.EMBEDDED / "preflight.sh")
    run = subprocess.run(
        ["sh", script, sys.executable], check=False, cwd=checkout.CHECKOUT, capture_output=True, text=True
    )
    return run.stderr.splitlines()


def _programs() -> list[str]:
    parts: dict[str, Callable[[], object]] = {
        "Kafka": jars.classpath,
        "Java": lambda: _runs(checkout.java(), "-version"),
        "mongod": lambda: _runs(checkout.mongod(), "--version"),
        "SeaweedFS": lambda: _runs(checkout.script("weed"), "version"),
        "Caddy": lambda: _runs(checkout.script("caddy"), "version"),
    }
    found = []
    for name, look in parts.items():
        try:
            look()
        except (NotInstalled, OSError, subprocess.SubprocessError) as error:
            found.append(f"{name}: {error}")
    return found


def _runs(program: Path, argument: str) -> None:
    subprocess.run([str(program), argument], check=True, capture_output=True, timeout=20)

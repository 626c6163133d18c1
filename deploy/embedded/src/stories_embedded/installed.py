"""Checks that the installation of `make install` is complete: `python -m stories_embedded.installed`, 0.1 s.

The stamp file is in `.venv`, but Kafka is in the cache, which may have been emptied.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from . import jars, paths
from .paths import NotInstalled

WITHOUT_ARCHIVE = "without-kafka-classes"  # in .venv: archiving failed here; later installations do not retry it


def missing() -> list[str]:
    """One line for each missing part of the installation."""
    parts: list[Callable[[], object]] = [
        jars.classpath,
        paths.java,
        paths.mongod,
        partial(paths.script, "weed"),
        partial(paths.script, "caddy"),
        class_archive,
    ]
    found = []
    for check in parts:
        try:
            check()
        except NotInstalled as error:
            found.append(str(error))
    return found


def class_archive() -> None:
    """Raises NotInstalled if Kafka's classes are not archived, unless archiving failed earlier."""
    if not (jars.cds_archive() / jars.ARCHIVE).is_file() and not (Path(sys.prefix) / WITHOUT_ARCHIVE).exists():
        raise NotInstalled("Kafka's classes are not archived: run `make install`")


if __name__ == "__main__":
    raise SystemExit(1 if missing() else 0)

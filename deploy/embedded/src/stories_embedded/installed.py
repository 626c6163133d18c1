"""Whether all that `make install` put in place is there: `python -m stories_embedded.installed`, a tenth of a second.

Its stamp lies in `.venv`, while Kafka lies in the cache, which anybody may empty.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from . import jars, paths
from .paths import NotInstalled

WITHOUT_ARCHIVE = "without-kafka-classes"  # in .venv: archiving failed here, so no installation tries it again


def missing() -> list[str]:
    """One line for each thing that an installation would put in place."""
    parts: list[Callable[[], object]] = [
        jars.classpath,
        paths.java,
        paths.mongod,
        partial(paths.script, "weed"),
        partial(paths.script, "caddy"),
        class_archive,
    ]
    found = []
    for look in parts:
        try:
            look()
        except NotInstalled as error:
            found.append(str(error))
    return found


def class_archive() -> None:
    """Raises NotInstalled where Kafka's classes are not archived and nothing was in the way of it."""
    if not (jars.archives() / jars.ARCHIVE).is_file() and not (Path(sys.prefix) / WITHOUT_ARCHIVE).exists():
        raise NotInstalled("Kafka's classes are not archived: run `make install`")


if __name__ == "__main__":
    raise SystemExit(1 if missing() else 0)

"""Prints log files side by side, each line under the name of its process."""

import time
from collections.abc import Mapping
from pathlib import Path

from rich.text import Text

from .console import stdout

POLL_SECONDS = 0.2
COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "red")
MAX_BYTES = 1_000_000  # read at the end of each file at first


class _LogFile:
    def __init__(self, name: str, path: Path, colour: str, width: int) -> None:
        self._path, self._label, self._position = path, Text(f"{name:<{width}} ", colour), 0

    def last(self, lines: int) -> None:
        size = self._path.stat().st_size if self._path.is_file() else 0
        self._position = max(0, size - MAX_BYTES)
        self._show(self._read()[-lines:] if lines else self._read()[:0])

    def more(self) -> None:
        self._show(self._read())

    def _read(self) -> list[str]:
        if not self._path.is_file():
            return []
        if self._path.stat().st_size < self._position:  # it was rotated
            self._position = 0
        with self._path.open("rb") as file:
            file.seek(self._position)
            found = file.read()
        complete = found[: found.rfind(b"\n") + 1]
        self._position += len(complete)
        return complete.decode(errors="replace").splitlines()

    def _show(self, lines: list[str]) -> None:
        for line in lines:
            stdout.print(self._label + Text(line))


def follow(files: Mapping[str, Path], lines: int, *, forever: bool) -> None:
    """Print the last lines of each file; `forever` continues until Ctrl-C."""
    width = max(map(len, files), default=0)
    shown = [
        _LogFile(name, path, COLOURS[i % len(COLOURS)], width) for i, (name, path) in enumerate(sorted(files.items()))
    ]
    for log in shown:
        log.last(lines)
    try:
        while forever:
            time.sleep(POLL_SECONDS)
            for log in shown:
                log.more()
    except KeyboardInterrupt:
        return

"""The numbered record of a run: operations, results, faults. JSON lines."""

import itertools
import json
import time
from pathlib import Path
from typing import Any, TextIO


class History:
    """Appends entries to a file as they happen; `at` is the machine's time in seconds."""

    def __init__(self, path: Path, seed: int, **settings: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file: TextIO = path.open("w", buffering=1)
        self._numbers = itertools.count(1)
        self.operations: dict[str, int] = {}
        self.note("run", seed=seed, **settings)

    def invoke(self, what: str, **about: Any) -> int:
        """Record the start of an operation; returns its number."""
        number = next(self._numbers)
        self.operations[what] = self.operations.get(what, 0) + 1
        self.note("invoke", op=number, what=what, **about)
        return number

    def complete(self, op: int, outcome: str, **about: Any) -> None:
        """Record the result of an operation: `ok` it happened, `fail` it did not, `info` unknown."""
        self.note(outcome, op=op, **about)

    def note(self, entry: str, /, **about: Any) -> None:
        """Record anything else: faults, violations, phases."""
        line = {"at": round(time.time(), 4), "type": entry, **about}
        self._file.write(json.dumps(line, default=str, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

"""Live updates."""

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class LiveEvent:
    """A change: ``ring`` of a followed author, ``story`` of one's own, or ``reset`` (read the tray again)."""

    event: str
    data: dict[str, Any]


@dataclass
class Messages:
    """Reads lines of a ``text/event-stream``."""

    last_id: str | None = None
    retry_s: float = 2.0
    _event: str = "message"
    _data: list[str] = field(default_factory=list)

    def feed(self, line: str) -> LiveEvent | None:
        """Take a line; returns the event that an empty one ends."""
        if not line:
            event, text = self._event, "\n".join(self._data)
            self._event, self._data = "message", []
            return LiveEvent(event, json.loads(text)) if text else None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id":
            self.last_id = value
        elif name == "retry" and value.isdecimal():
            self.retry_s = int(value) / 1000
        return None

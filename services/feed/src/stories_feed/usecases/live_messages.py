"""Messages of live updates, and the changes of the index that they report."""

import secrets
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import msgspec

from stories_feed.domain.live import Change, Ended

RESUMABLE_CHANGES = 10_000
HEARTBEAT = b":\n\n"
RETRY = b"retry: 2000\n"  # milliseconds
Message = tuple[str, Mapping[str, str]]
"""The event and data of a message."""
encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class LoggedChange:
    """A change of the index, kept for clients that come back."""

    number: int
    author_id: str
    story_id: str
    state: str


class ChangeLog:
    """The latest changes of the index, numbered, for clients that come back. Each process has an epoch of its own."""

    def __init__(self) -> None:
        self.epoch = secrets.token_hex(4)
        self.number = 0
        """The latest change's."""
        self._changes: deque[LoggedChange] = deque(maxlen=RESUMABLE_CHANGES)

    def append(self, change: Change) -> None:
        """Add a change."""
        self.number += 1
        self._changes.append(LoggedChange(self.number, change.story.author_id, change.story.story_id, state_of(change)))

    def start_again(self) -> None:
        """Drop all changes: clients that come back get ``reset``."""
        self.epoch = secrets.token_hex(4)
        self._changes.clear()

    def reaches(self, number: int) -> bool:
        """Whether all changes after this one are kept."""
        return self.number - len(self._changes) <= number <= self.number

    def since(self, number: int) -> Iterable[LoggedChange]:
        """The changes after one, oldest first."""
        behind = min(self.number - number, len(self._changes))
        return islice(self._changes, len(self._changes) - behind, None)


def numbered(messages: Sequence[Message], before: str, after: str) -> Iterator[bytes]:
    """Messages that belong together: only the last one has the new id, so that none is lost between two of them."""
    for number, (event, content) in enumerate(messages, 1):
        yield message(after if number == len(messages) else before, event, content)


def message(message_id: str, event: str, content: Mapping[str, str]) -> bytes:
    """A message as it goes over the wire."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (message_id.encode(), event.encode(), encode(content))


def state_of(change: Change) -> str:
    """The state of a story after a change, as its author is told."""
    return "ended" if isinstance(change, Ended) else "live"

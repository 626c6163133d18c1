"""Clients that are connected to this replica for live updates, by viewer."""

import asyncio
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

MAX_UNREAD = 64  # contract: messages that wait for a client that does not read


class Connection:
    """The messages of one connected client, at most ``MAX_UNREAD`` of them unread."""

    __slots__ = ("_abort", "_messages", "_on_close", "_waiting", "ended", "ends_at")

    def __init__(self, ends_at: datetime | None, on_close: "Callable[[Connection], None]") -> None:
        self.ends_at = ends_at
        self.ended = False
        self._messages: list[bytes] = []  # a deque allocates room for 64 at once
        self._waiting: asyncio.Future[None] | None = None
        self._abort: Callable[[], None] | None = None
        self._on_close = on_close

    def put(self, message: bytes) -> None:
        """Send a message; a client with too many unread ones is dropped."""
        if self.ended:
            return
        self._messages.append(message)
        if len(self._messages) > MAX_UNREAD:
            self._messages.clear()
            self.end()
            if self._abort is not None:
                self._abort()
        self._wake()

    def end(self) -> None:
        """End after the messages that wait."""
        self.ended = True
        self._wake()

    def on_abort(self, abort: Callable[[], None]) -> None:
        """Set what to call to drop a client that does not read."""
        self._abort = abort

    def close(self) -> None:
        """The client has gone."""
        self.ended = True
        self._on_close(self)

    async def next(self) -> bytes | None:
        """Everything that waits, as one chunk; None at the end."""
        while not self._messages:
            if self.ended:
                return None
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        chunk = b"".join(self._messages)
        self._messages.clear()
        return chunk

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


@dataclass(slots=True, eq=False)
class Viewer:
    """A viewer with at least one connection.

    ``follows`` are sorted hashes of the ids of followed authors: eight bytes each, and a collision only costs a query.
    """

    viewer_id: str
    country: str | None = None
    admitted: bool = True
    erased_at: datetime | None = None
    connections: list[Connection] = field(default_factory=list)
    follows: "array[int]" = field(default_factory=lambda: array("q"))
    rings: dict[str, str] = field(default_factory=dict)
    edges_version: int = 0
    seen_version: int = 0
    loaded: bool = False
    loading: asyncio.Lock = field(default_factory=asyncio.Lock)

    def follows_one_of(self, hashes: Iterable[int]) -> bool:
        """Whether the viewer may follow one of these authors, given by their hashes."""
        follows = self.follows
        return any((at := bisect_left(follows, h)) < len(follows) and follows[at] == h for h in hashes)

    def send(self, message: bytes) -> None:
        """Send a message to every connection."""
        for connection in self.connections:
            connection.put(message)

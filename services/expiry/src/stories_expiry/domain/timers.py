"""A timer wheel of the timers that are due soon, and the sharing of timers between replicas.

Only about a minute of timers is in memory; the rest is in MongoDB. A dict of second-buckets with packed entries takes
19 bytes a timer; a heap of tuples takes 150 and is seventy times slower to drain.
"""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ENTRY = struct.Struct("<16sH?")

# About 5 MB. Timers beyond it stay in MongoDB and are fired by the overdue sweep.
CAPACITY = 250_000

# Five missed heartbeats, one a second. Until then the share of a dead replica fires a second late.
ALIVE_FOR = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Timer:
    """A live story and its expiry."""

    story_id: str
    author_id: str
    posted_at: datetime
    expires_at: datetime
    revision: int = 1


class Due(NamedTuple):
    """A story that is due. `local_only`: this replica may be the only one with the timer in memory."""

    at: datetime
    story_id: str
    local_only: bool


class TimerWheel:
    """Timers that are due soon, in buckets of a second. Adding a story twice is harmless.

    The entries of a second are unpacked and sorted once, when it begins, then popped in bounded parts.

    Args:
        capacity: the maximum of entries; further ones are rejected.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self._buckets: dict[int, bytearray] = {}
        self._earliest: dict[int, int] = {}
        self._ready: list[tuple[int, bytes, bool]] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, story_id: str, at: datetime, *, local_only: bool) -> bool:
        """Add a story; False if the wheel is full.

        Args:
            story_id: a UUID, written in lower case.
            at: when it is due; aware, truncated to milliseconds.
            local_only: whether it comes from a record consumed here, not from MongoDB, where every replica finds it.
        """
        if self._size >= self.capacity:
            return False
        second, ms = divmod(epoch_ms(at), 1000)
        self._buckets.setdefault(second, bytearray()).extend(ENTRY.pack(UUID(story_id).bytes, ms, local_only))
        self._earliest[second] = min(ms, self._earliest.get(second, ms))
        self._size += 1
        return True

    def next_at(self) -> datetime | None:
        """When the earliest is due, or None if the wheel is empty."""
        times = [self._ready[-1][0]] if self._ready else []
        if self._buckets:
            second = min(self._buckets)
            times.append(second * 1000 + self._earliest[second])
        return from_epoch_ms(min(times)) if times else None

    def pop_due(self, now: datetime, limit: int = CAPACITY) -> list[Due]:
        """Remove and return what is due by now, earliest first, each story once.

        Args:
            now: aware.
            limit: the most entries; the rest comes with the next call.
        """
        until = epoch_ms(now)
        self._unpack(until)
        due: dict[bytes, tuple[int, bool]] = {}
        while self._ready and self._ready[-1][0] <= until and len(due) < limit:
            at, packed, local_only = self._ready.pop()
            self._size -= 1
            earlier = due.get(packed)
            due[packed] = (earlier[0], local_only or earlier[1]) if earlier else (at, local_only)
        return [Due(from_epoch_ms(ms), str(UUID(bytes=packed)), local_only) for packed, (ms, local_only) in due.items()]

    def _unpack(self, until: int) -> None:
        """Sort the entries of every second that has begun, the earliest last."""
        begun = [second for second in self._buckets if second * 1000 <= until]
        for second in begun:
            start = second * 1000
            entries = ENTRY.iter_unpack(self._buckets.pop(second))
            self._ready += [(start + ms, packed, local_only) for packed, ms, local_only in entries]
            del self._earliest[second]
        if begun:
            self._ready.sort(reverse=True)


@dataclass(frozen=True, slots=True)
class LiveReplicas:
    """The replicas that share the firing; `me` is this one."""

    me: str
    replicas: tuple[str, ...]

    def own_share(self, dues: list[Due]) -> list[Due]:
        """The timers that this replica fires first, and the local ones.

        If all replicas see the same ones, exactly one of them fires a story first.
        """
        names = sorted({self.me, *self.replicas})
        mine = names.index(self.me)
        return [due for due in dues if due.local_only or UUID(due.story_id).int % len(names) == mine]


def epoch_ms(at: datetime) -> int:
    """Whole milliseconds since 1970, from an aware time."""
    return (at - EPOCH) // timedelta(milliseconds=1)


def from_epoch_ms(value: int) -> datetime:
    """The aware UTC time from milliseconds since 1970."""
    return EPOCH + timedelta(milliseconds=value)

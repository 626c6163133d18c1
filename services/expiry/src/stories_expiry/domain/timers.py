"""Timers that are due soon, packed by the second they are due in.

A minute of them is all that is ever in memory; the rest lie in the store. A dict of second-buckets holding packed
entries takes 19 bytes a timer and gives them up in order, where a heap of tuples takes 150 and is seventy times
slower to drain.
"""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ENTRY = struct.Struct("<16sH?")

# About 5 MB. More than this due within a minute is left to the store and fires with the look for what is overdue.
CAPACITY = 250_000

# Five missed signs of life, one a second. Until then the share of a dead replica fires a second late.
ALIVE_FOR = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Timer:
    """A live story and when it ends."""

    story_id: str
    author_id: str
    posted_at: datetime
    expires_at: datetime
    revision: int = 1


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """A story whose time has come. ``heard``: this replica may be the only one that holds it."""

    at: datetime
    story_id: str
    heard: bool


class Wheel:
    """What is due soon, by second. Holding a story twice is harmless: it comes out once.

    Args:
        capacity: the most entries it holds; further ones are refused.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self._buckets: dict[int, bytearray] = {}
        self._held = 0

    def __len__(self) -> int:
        return self._held

    def hold(self, story_id: str, at: datetime, *, heard: bool) -> bool:
        """Hold a story until it is due; False where there is no room.

        Args:
            story_id: a UUID, written in lower case.
            at: when it is due, aware; cut to milliseconds.
            heard: whether it was heard of here rather than read from the store, where every replica finds it.
        """
        if self._held >= self.capacity:
            return False
        second, ms = divmod(epoch_ms(at), 1000)
        self._buckets.setdefault(second, bytearray()).extend(ENTRY.pack(UUID(story_id).bytes, ms, heard))
        self._held += 1
        return True

    def next_at(self) -> datetime | None:
        """When the earliest is due, or None where nothing is held."""
        if not self._buckets:
            return None
        second = min(self._buckets)
        return from_epoch_ms(second * 1000 + min(ms for _, ms, _ in ENTRY.iter_unpack(self._buckets[second])))

    def take(self, now: datetime, most: int = CAPACITY) -> list[Due]:
        """Take out what is due by now, earliest first, each story once.

        Args:
            now: aware.
            most: take no further second once so many are out.
        """
        until = epoch_ms(now)
        taken: dict[bytes, tuple[int, bool]] = {}
        for second in sorted(second for second in self._buckets if second * 1000 <= until):
            if len(taken) >= most:
                break
            self._empty(second, until, taken)
        dues = [Due(from_epoch_ms(ms), str(UUID(bytes=packed)), heard) for packed, (ms, heard) in taken.items()]
        dues.sort()
        return dues

    def _empty(self, second: int, until: int, taken: dict[bytes, tuple[int, bool]]) -> None:
        """Move what is due from one bucket into ``taken``; the bucket keeps the rest of its second."""
        bucket = self._buckets.pop(second)
        left = bytearray()
        for packed, ms, heard in ENTRY.iter_unpack(bucket):
            at = second * 1000 + ms
            if at > until:
                left.extend(ENTRY.pack(packed, ms, heard))
                continue
            earlier = taken.get(packed)
            taken[packed] = (min(at, earlier[0]), heard or earlier[1]) if earlier else (at, heard)
        self._held -= (len(bucket) - len(left)) // ENTRY.size
        if left:
            self._buckets[second] = left


@dataclass(frozen=True, slots=True)
class Crew:
    """The replicas that share the firing, and which of them this one is."""

    me: str
    replicas: tuple[str, ...]

    def prefers(self, story_id: str) -> bool:
        """Whether this replica fires the story first; exactly one does where all see the same crew."""
        crew = sorted({self.me, *self.replicas})
        return crew[UUID(story_id).int % len(crew)] == self.me

    def mine(self, dues: list[Due]) -> list[Due]:
        """Those that are not left to another replica."""
        return [due for due in dues if due.heard or self.prefers(due.story_id)]


def epoch_ms(at: datetime) -> int:
    """Whole milliseconds since 1970, from an aware time."""
    return (at - EPOCH) // timedelta(milliseconds=1)


def from_epoch_ms(value: int) -> datetime:
    """The aware UTC time of so many milliseconds since 1970."""
    return EPOCH + timedelta(milliseconds=value)

"""Sweep of a bucket that is too large for one iteration."""

from dataclasses import dataclass, field

import pytest
from stories_ingest.testing.builders import NOW
from stories_ingest.testing.in_memory import MemoryBucket, MemoryPosition
from stories_ingest.usecases.sweeps import KEYS_PER_PAGE, MAX_SWEEP_TIME, SweepObjects
from stories_shared.testing import FakeClock

MANY = 30 * KEYS_PER_PAGE
SECONDS = 3


@dataclass
class SlowBucket(MemoryBucket):
    """A bucket that takes three seconds to list a page."""

    now: FakeClock = field(default_factory=lambda: FakeClock(NOW))

    async def page(self, prefix, after, limit):
        self.now.forward(seconds=SECONDS)
        return await super().page(prefix, after, limit)


async def all_but_strays(keys):
    return {key for key in keys if "stray" not in key}


@pytest.fixture
def bucket():
    keys = (f"staging/{number:06}{'-stray' if number % 10 == 0 else ''}" for number in range(MANY))
    return SlowBucket(dict.fromkeys(keys, b"m"))


def strays(bucket):
    return [key for key in bucket.objects if "stray" in key]


def walk(bucket, **options):
    return SweepObjects(bucket, "staging/", all_but_strays, bucket.now, **{"pages": 100, **options})


async def test_each_iteration_is_short_and_the_next_resumes(bucket):
    position, sweep, leases, longest = MemoryPosition(), walk(bucket), 0, 0.0
    more = True
    while more:
        began = bucket.now()
        more = await sweep(position)
        longest, leases = max(longest, (bucket.now() - began).total_seconds()), leases + 1
    assert longest <= MAX_SWEEP_TIME.total_seconds() + SECONDS
    assert (leases > 5, position.position, strays(bucket)) == (True, "", [])
    assert len(bucket.objects) == MANY * 9 // 10


async def test_interrupted_sweep_resumes_on_another_replica(bucket):
    position = MemoryPosition()
    assert await walk(bucket)(position)
    seen = position.position
    assert await walk(bucket)(position)
    assert position.position > seen > "staging/"
    assert all(key > position.position for key in strays(bucket))


async def test_sweep_stops_when_another_replica_takes_the_lease(bucket):
    assert not await walk(bucket)(MemoryPosition(taken_over=True))
    assert len(strays(bucket)) == (MANY - KEYS_PER_PAGE) // 10


async def test_pausing_sweep_lists_a_fixed_number_of_pages(bucket):
    position = MemoryPosition()
    assert not await walk(bucket, pages=2, always_pause=True)(position)
    assert position.advances == 2

"""Use cases of timers, on fakes."""

from datetime import timedelta

from stories_expiry.domain.timers import LiveReplicas, TimerWheel
from stories_expiry.testing import MemoryReplicas, MemoryStories, record, story_posted
from stories_expiry.usecases import timers
from stories_expiry.usecases.timers import ArmTimers, FireDue, FireOverdue, Heartbeat, LoadAhead
from stories_shared.testing import FakeClock


class Replica:
    """The timer use cases of one replica, over a shared store."""

    def __init__(
        self, stories: MemoryStories, clock: FakeClock, me: str = "a", replicas: tuple[str, ...] = ("a",)
    ) -> None:
        self.wheel = TimerWheel()
        self.wakeups = 0
        self.arm = ArmTimers(stories, self.wheel, clock, self.wake)
        self.load = LoadAhead(stories, self.wheel, clock)
        self.fire_due = FireDue(stories, self.wheel, lambda: LiveReplicas(me, replicas), clock)
        self.fire_overdue = FireOverdue(stories, lambda: LiveReplicas(me, replicas), clock)

    def wake(self) -> None:
        self.wakeups += 1


async def test_a_story_ends_at_its_time() -> None:
    clock, stories = FakeClock(), MemoryStories()
    replica = Replica(stories, clock)
    story = story_posted(clock(), lives=timedelta(seconds=20))
    await replica.arm([record(story, clock())])
    clock.forward(seconds=19.999)
    assert await replica.fire_due() == []
    clock.forward(milliseconds=1)
    assert [(fired.story_id, fired.late_s) for fired in await replica.fire_due()] == [(story.story_id, 0.0)]
    assert replica.wakeups == 1


async def test_story_consumed_after_its_expiry_ends_at_once() -> None:
    clock, stories = FakeClock(), MemoryStories()
    story = story_posted(clock(), lives=timedelta(seconds=20))
    clock.forward(seconds=120)
    replica = Replica(stories, clock, replicas=("a", "b", "c"))
    await replica.arm([record(story, clock())])
    assert [fired.late_s for fired in await replica.fire_due()] == [100.0]


async def test_a_replayed_story_is_ended_once() -> None:
    clock, stories = FakeClock(), MemoryStories()
    replica = Replica(stories, clock)
    posted = record(story_posted(clock(), lives=timedelta(seconds=20)), clock())
    await replica.arm([posted, posted])
    clock.forward(seconds=20)
    assert len(await replica.fire_due()) == 1
    await replica.arm([posted])
    assert await replica.fire_due() == []
    assert await replica.fire_overdue() == []


async def test_only_the_next_minute_of_timers_is_in_memory() -> None:
    clock, stories = FakeClock(), MemoryStories()
    posting = Replica(stories, clock)
    lives = [timedelta(minutes=minutes) for minutes in range(2, 12)]
    await posting.arm([record(story_posted(clock(), lives=each), clock()) for each in lives])
    assert len(posting.wheel) == 0
    restarted = Replica(stories, clock)
    ended = 0
    for _ in range(60):
        await restarted.load()
        assert len(restarted.wheel) <= 2
        clock.forward(seconds=15)
        ended += len(await restarted.fire_due())
    assert ended == len(lives)


async def test_two_replicas_end_their_shares_once_and_on_time() -> None:
    clock, stories = FakeClock(), MemoryStories()
    replicas = ("a", "b")
    both = [Replica(stories, clock, me, replicas) for me in replicas]
    await both[0].arm([record(story_posted(clock(), lives=timedelta(minutes=10)), clock()) for _ in range(100)])
    clock.forward(seconds=570)
    for replica in both:
        assert await replica.load() == 100
    clock.forward(seconds=30)
    shares = [{fired.story_id for fired in await replica.fire_due()} for replica in both]
    assert len(shares[0]) + len(shares[1]) == len(shares[0] | shares[1]) == 100
    assert all(len(share) > 20 for share in shares)


async def test_share_of_a_dead_replica_ends_a_second_late() -> None:
    clock, stories = FakeClock(), MemoryStories()
    alive = Replica(stories, clock, "a", ("a", "dead"))
    await alive.arm([record(story_posted(clock(), lives=timedelta(minutes=10)), clock()) for _ in range(50)])
    clock.forward(minutes=9, seconds=30)
    await alive.load()
    clock.forward(seconds=30)
    share = await alive.fire_due()
    assert 0 < len(share) < 50
    assert await alive.fire_overdue() == []
    clock.forward(seconds=1.001)
    assert len(share) + len(await alive.fire_overdue()) == 50


async def test_timers_beyond_the_capacity_are_fired_as_overdue() -> None:
    clock, stories = FakeClock(), MemoryStories()
    replica = Replica(stories, clock)
    await replica.arm([record(story_posted(clock(), lives=timedelta(minutes=10)), clock()) for _ in range(30)])
    clock.forward(minutes=9, seconds=50)
    replica.wheel.capacity = 10
    assert await replica.load() == 10
    assert await replica.load() == 0
    clock.forward(seconds=11.5)
    assert len(await replica.fire_due()) == 10
    assert len(await replica.fire_overdue()) == 20


async def test_overdue_sweep_fires_in_bounded_batches() -> None:
    clock, stories = FakeClock(), MemoryStories()
    replica = Replica(stories, clock)
    posted = [
        record(story_posted(clock(), lives=timedelta(minutes=10)), clock()) for _ in range(timers.OVERDUE_BATCH + 5)
    ]
    await replica.arm(posted)
    clock.forward(days=1)
    assert len(await replica.fire_overdue()) == len(posted)


async def test_live_replicas_are_those_with_a_recent_heartbeat() -> None:
    clock, replicas = FakeClock(), MemoryReplicas()
    first, second = Heartbeat(replicas.heartbeat, "a", clock), Heartbeat(replicas.heartbeat, "b", clock)
    assert first.current() == LiveReplicas("a", ("a",))
    await first()
    await second()
    assert second.current() == LiveReplicas("b", ("a", "b"))
    clock.forward(seconds=10)
    await second()
    assert second.current() == LiveReplicas("b", ("b",))

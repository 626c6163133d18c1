"""The timer wheel, and the sharing of timers."""

import time
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from stories_expiry.domain.timers import CAPACITY, Due, LiveReplicas, TimerWheel
from stories_expiry.usecases.timers import POP_BATCH
from stories_shared.events.ids import new_id

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
IDS = [new_id() for _ in range(20)]


def test_timers_are_popped_in_order_when_due() -> None:
    wheel = TimerWheel()
    for number, late in enumerate((1.5, 0.25, 1.75, 61.0)):
        wheel.add(IDS[number], NOW + timedelta(seconds=late), local_only=False)
    assert wheel.next_at() == NOW + timedelta(milliseconds=250)
    assert [due.story_id for due in wheel.pop_due(NOW + timedelta(seconds=1.6))] == [IDS[1], IDS[0]]
    assert wheel.next_at() == NOW + timedelta(seconds=1.75)
    assert len(wheel) == 2


def test_story_added_twice_is_popped_once_as_local() -> None:
    wheel = TimerWheel()
    wheel.add(IDS[0], NOW, local_only=False)
    wheel.add(IDS[0], NOW, local_only=True)
    assert wheel.pop_due(NOW) == [Due(NOW, IDS[0], local_only=True)]
    assert wheel.pop_due(NOW) == []


def test_full_wheel_refuses_until_a_timer_is_popped() -> None:
    wheel = TimerWheel(capacity=1)
    assert wheel.add(IDS[0], NOW, local_only=False)
    assert not wheel.add(IDS[1], NOW, local_only=False)
    wheel.pop_due(NOW)
    assert wheel.add(IDS[1], NOW, local_only=False)


def test_pop_due_is_bounded_and_leaves_the_rest_in_order() -> None:
    wheel = TimerWheel()
    for number in range(10):
        wheel.add(IDS[number], NOW + timedelta(milliseconds=700 * (9 - number)), local_only=False)
    parts = [wheel.pop_due(NOW + timedelta(minutes=1), limit=3) for _ in range(4)]
    assert [len(part) for part in parts] == [3, 3, 3, 1]
    assert [due.story_id for part in parts for due in part] == IDS[9::-1]
    assert (len(wheel), wheel.next_at()) == (0, None)


def test_timer_added_to_the_current_second_is_popped_in_order() -> None:
    wheel = TimerWheel()
    wheel.add(IDS[0], NOW + timedelta(milliseconds=900), local_only=False)
    assert wheel.pop_due(NOW + timedelta(milliseconds=100)) == []
    wheel.add(IDS[1], NOW + timedelta(milliseconds=500), local_only=True)
    assert wheel.next_at() == NOW + timedelta(milliseconds=500)
    assert [due.story_id for due in wheel.pop_due(NOW + timedelta(seconds=1))] == [IDS[1], IDS[0]]


def test_full_bucket_does_not_block_the_event_loop() -> None:
    wheel, ids = TimerWheel(), [new_id() for _ in range(CAPACITY)]
    for number, story_id in enumerate(ids):
        wheel.add(story_id, NOW + timedelta(milliseconds=number % 1000), local_only=False)
    replicas = LiveReplicas("a", tuple("abcdef"))
    longest, own, iterations = 0.0, 0, 0
    while len(wheel):
        began = time.thread_time()
        own += len(replicas.own_share(wheel.pop_due(NOW + timedelta(seconds=1), POP_BATCH)))
        longest, iterations = max(longest, time.thread_time() - began), iterations + 1
    assert longest < 1.0
    assert iterations == CAPACITY / POP_BATCH
    assert own == len(replicas.own_share([Due(NOW, story_id, local_only=False) for story_id in ids]))


@given(st.lists(st.tuples(st.sampled_from(IDS), st.integers(0, 5_000)), max_size=60), st.integers(0, 5_000))
def test_every_timer_is_popped_when_due(held: list[tuple[str, int]], now_ms: int) -> None:
    wheel = TimerWheel()
    for story_id, ms in held:
        wheel.add(story_id, NOW + timedelta(milliseconds=ms), local_only=False)
    now = NOW + timedelta(milliseconds=now_ms)
    first, rest = wheel.pop_due(now), wheel.pop_due(NOW + timedelta(seconds=6))
    assert {due.story_id for due in first} == {story_id for story_id, ms in held if ms <= now_ms}
    assert {due.story_id for due in rest} == {story_id for story_id, ms in held if ms > now_ms}
    assert first == sorted(first)
    assert len(wheel) == 0
    assert wheel.next_at() is None


def test_each_story_has_one_first_replica() -> None:
    replicas = ("a", "b", "c")
    dues = [Due(NOW, new_id(), local_only=False) for _ in range(900)]
    shares = [LiveReplicas(me, replicas).own_share(dues) for me in replicas]
    assert sorted(due for share in shares for due in share) == sorted(dues)
    assert all(len(share) > 200 for share in shares)


def test_local_timers_are_in_the_own_share() -> None:
    dues = [Due(NOW, story_id, local_only=True) for story_id in IDS]
    assert LiveReplicas("a", ("a", "b")).own_share(dues) == dues

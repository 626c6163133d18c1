"""The switch for creating pauses by itself."""

from datetime import timedelta

import pytest
from stories_ingest.domain.errors import NotInRollout
from stories_ingest.testing.builders import NOW
from stories_ingest.testing.in_memory import MemorySignals
from stories_ingest.usecases.rollout import Rollout, WatchPause
from stories_shared.rollout import Pause, Policy, Switch
from stories_shared.testing import FakeClock

POLICY = Policy(pause=Pause(publish_failures=0.2, expiry_lateness_s=60, for_s=120))


def watching(policy: Policy = POLICY) -> tuple[WatchPause, MemorySignals, FakeClock]:
    clock, signals = FakeClock(NOW), MemorySignals()
    return WatchPause(Rollout(lambda: policy), signals, clock), signals, clock


@pytest.mark.parametrize(("ended", "failed", "paused"), [(10, 1, False), (10, 2, True), (4, 4, False)])
async def test_a_share_of_failed_publishes_pauses_creating(ended, failed, paused):
    watch, signals, _ = watching()
    signals.ended, signals.failed = ended, failed
    await watch()
    assert watch.rollout.paused is paused


async def test_creating_resumes_once_the_cause_has_been_away():
    watch, signals, clock = watching()
    signals.overdue = clock() - timedelta(seconds=61)
    await watch()
    assert watch.rollout.eligibility("ann", None).reason == "paused"
    with pytest.raises(NotInRollout, match="paused"):
        watch.rollout.require_create("ann", None)
    signals.overdue = None
    clock.forward(seconds=119)
    await watch()
    assert watch.rollout.paused
    clock.forward(seconds=1)
    await watch()
    assert not watch.rollout.paused
    watch.rollout.require_create("ann", None)


async def test_another_replica_keeps_the_pause_after_a_restart():
    watch, signals, clock = watching()
    signals.overdue = clock() - timedelta(hours=1)
    await watch()
    signals.overdue = None
    restarted = WatchPause(Rollout(lambda: POLICY), signals, clock)
    await restarted()
    assert restarted.rollout.paused


async def test_without_a_pause_policy_nothing_pauses():
    watch, signals, clock = watching(Policy())
    signals.overdue = clock() - timedelta(days=1)
    signals.ended = signals.failed = 100
    await watch()
    assert not watch.rollout.paused


def test_eligibility_names_why_not():
    policy = Policy(create=Switch(deny=frozenset({"bob"})), view=Switch(percentage=0))
    rollout = Rollout(lambda: policy)
    ann, bob = rollout.eligibility("ann", None), rollout.eligibility("bob", None)
    assert (ann.create, ann.view, ann.reason) == (True, False, "percentage")
    assert (bob.create, bob.view, bob.reason) == (False, False, "denied")

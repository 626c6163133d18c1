"""Possible values, and violations that the monitor reports."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.samples import Sample

from .fault_timeline import STORM_LIMIT_S, FaultTimeline
from .http_client import Answer
from .invariant_monitor import InvariantMonitor
from .model import LATE_EFFECT_S, Model, Story, Timeline

NOW = 1_000_000.0


@pytest.fixture
def model() -> Model:
    return Model(["ann", "bob"])


@pytest.fixture
def story(model: Model) -> Story:
    posted = Story("ann", "key", "word", {}, Sample(b"", "image/jpeg"), Timeline(("everyone", frozenset())))
    posted.state, posted.live_at, posted.expires_at = "live", NOW, NOW + 100
    model.add(posted)
    model.name(posted, "the-story")
    return posted


class Broken(list[tuple[str, dict[str, Any]]]):
    """Collects what is said to be broken."""

    def __call__(self, promise: str, **about: Any) -> None:
        self.append((promise, about))


@pytest.fixture
def broken() -> Broken:
    return Broken()


@pytest.fixture
def monitor(model: Model, broken: Broken) -> InvariantMonitor:
    return InvariantMonitor(None, model, FaultTimeline(), broken)  # type: ignore[arg-type]


def item(story: Story) -> dict[str, Any]:
    return {
        "id": story.id,
        "expires_at": "2033-01-01T00:00:00.000Z",
        "ticket": "t",
        "media_url": "http://m",
        "poster_url": None,
    }


def read(at: float) -> Answer:
    return Answer(200, at, at + 0.01)


def test_operation_in_flight_may_or_may_not_have_happened() -> None:
    value = Timeline("old")
    change = value.begin("new", NOW)
    assert value.possible(NOW - 1, NOW - 1) == {"old"}
    assert value.possible(NOW + 1, NOW + 1) == {"old", "new"}
    change.ack(NOW + 2)
    assert value.possible(NOW + 1, NOW + 3) == {"old", "new"}
    assert value.possible(NOW + 2, NOW + 3) == {"new"}


def test_abandoned_attempt_may_still_override_later_ones() -> None:
    value = Timeline("old")
    first = value.begin("first", NOW)
    first.doubt(NOW + 1)
    first.ack(NOW + 2)
    second = value.begin("second", NOW + 3)
    second.ack(NOW + 4)
    assert value.possible(NOW + 5, NOW + 5) == {"first", "second"}
    last = value.begin("last", NOW + 2 + LATE_EFFECT_S)
    last.ack(NOW + 3 + LATE_EFFECT_S)
    assert value.possible(NOW + 4 + LATE_EFFECT_S, NOW + 99) == {"last"}


def test_repeated_set_operation_changes_nothing() -> None:
    value = Timeline("friends")
    same = value.begin("friends", 1.0)
    same.ack(2.0)
    assert not value.altered(same, 0.0)
    other = value.begin("everyone", 3.0)
    assert value.altered(other, 2.5)
    back = value.begin("friends", 4.0)
    assert not value.altered(back, 2.5), "the one before it may not have happened yet"
    other.ack(5.0)
    again = value.begin("everyone", 6.0)
    assert not value.altered(again, 4.5)


def test_rejected_operation_changes_nothing() -> None:
    value = Timeline("old")
    value.refuse(value.begin("new", NOW))
    assert value.possible(NOW, NOW + 9) == {"old"}


def test_visibility_follows_from_every_edge(model: Model, story: Story) -> None:
    assert model.may_see("bob", story, NOW, NOW) == {True}
    story.rule.begin(("friends", frozenset()), NOW).ack(NOW + 1)
    assert model.may_see("bob", story, NOW + 2, NOW + 2) == {False}
    model.edge("following", "bob", "ann").begin(True, NOW).ack(NOW + 1)
    model.edge("following", "ann", "bob").begin(True, NOW + 3)
    assert model.may_see("bob", story, NOW + 2, NOW + 2) == {False}
    assert model.may_see("bob", story, NOW + 4, NOW + 4) == {True, False}
    model.edge("blocked", "ann", "bob").begin(True, NOW).ack(NOW + 1)
    assert model.may_see("bob", story, NOW + 4, NOW + 4) == {False}
    assert model.may_see("ann", story, NOW + 4, NOW + 4) == {True}


def test_story_shown_after_its_end_is_reported(monitor: InvariantMonitor, story: Story, broken: Broken) -> None:
    monitor.reel("bob", [item(story)], read(NOW + 99), "feed")
    assert broken == []
    monitor.reel("bob", [item(story)], read(NOW + 100), "feed")
    assert [promise for promise, _ in broken] == ["nothing is shown that is expired"]


def test_deleted_story_may_show_for_1_s_and_3_s_under_faults(
    monitor: InvariantMonitor, story: Story, broken: Broken
) -> None:
    story.deleted.begin(True, NOW).ack(NOW + 1)
    monitor.reel("bob", [item(story)], read(NOW + 1.9), "feed")
    assert broken == []
    monitor.reel("bob", [item(story)], read(NOW + 2.1), "feed")
    assert [promise for promise, _ in broken] == ["nothing is shown that is deleted"]
    broken.clear()
    monitor.fault_timeline.intervals.clear()
    with monitor.fault_timeline.broken("kill"):
        monitor.fault_timeline.intervals[0].started = NOW
        monitor.reel("bob", [item(story)], read(NOW + 1 + STORM_LIMIT_S - 0.1), "feed")
        assert broken == []
        monitor.reel("bob", [item(story)], read(NOW + 1 + STORM_LIMIT_S + 0.1), "feed")
    assert len(broken) == 1


def test_duplicate_or_unknown_story_is_reported(monitor: InvariantMonitor, story: Story, broken: Broken) -> None:
    monitor.reel("bob", [item(story), item(story)], read(NOW), "feed")
    monitor.reel("bob", [{**item(story), "id": "another"}], read(NOW), "feed")
    assert [promise for promise, _ in broken] == ["a reel shows a story once", "what is shown was posted"]


def test_ring_has_a_story_unless_its_replica_is_stale(monitor: InvariantMonitor, story: Story, broken: Broken) -> None:
    story.deleted.begin(True, NOW).ack(NOW)
    ring = {"author_id": "ann", "poster_url": None}
    monitor.tray("bob", [ring], read(NOW + 50), "feed")
    assert broken == []
    monitor.tray("bob", [{**ring, "poster_url": "http://poster"}], read(NOW + 50), "feed")
    monitor.tray("bob", [ring], read(NOW + 101), "feed")
    assert len(broken) == 2


def test_active_faults_are_in_the_timeline(tmp_path: Path) -> None:
    fault_timeline = FaultTimeline()
    assert fault_timeline.limit(time.time(), time.time()) < STORM_LIMIT_S
    with fault_timeline.broken("kill"):
        assert fault_timeline.limit(time.time(), time.time()) == STORM_LIMIT_S


def test_recently_revoked_access_is_monitored(monitor: InvariantMonitor, story: Story) -> None:
    now = time.time()
    story.expires_at = now + 100
    monitor.reel("bob", [item(story)], Answer(200, now - 6, now - 5), "feed")
    assert list(monitor._taken()) == []
    change = story.rule.begin(("close_friends", frozenset()), now - 4.5)
    assert list(monitor._taken()) == []
    change.ack(now - 4)
    assert list(monitor._taken()) == [("bob", story)]

"""The check of the counts that are kept of an ended story."""

from typing import Any

import pytest

from tests.journeys.samples import Sample

from .checks.counts import CountChecks, wrong_counts, wrong_event, wrong_seal
from .checks.stories import StoryChecks
from .model import Comment, Model, Play, Story, Timeline

END = 1_000.0


def calm(since: float, until: float) -> bool:
    return True


@pytest.fixture
def story() -> Story:
    """Two viewers with three plays and one comment, all of them long before the end."""
    made = Story("ann", "key", "word", {}, Sample.__new__(Sample), Timeline(("everyone", frozenset())))
    made.id, made.state, made.expires_at = "story", "live", END
    made.plays = {"bob": {"p1": Play(900, 901), "p2": Play(910, 911)}, "cy": {"p3": Play(920, 921)}}
    made.comments = {"k": Comment("bob", "hello", 930, id="c", acked=931)}
    return made


def test_counts_of_an_ended_story_that_match_are_right(story: Story) -> None:
    assert wrong_counts(story, {"plays": 3, "viewers": 2, "comment": 1}, calm) == {}


@pytest.mark.parametrize(("name", "kept"), [("plays", 2), ("plays", 4), ("viewers", 1), ("viewers", 3), ("comment", 0)])
def test_lost_or_duplicate_count_of_an_ended_story_is_reported(story: Story, name: str, kept: int) -> None:
    assert wrong_counts(story, {"plays": 3, "viewers": 2, "comment": 1} | {name: kept}, calm).keys() == {name}


def test_missing_counts_of_an_ended_story_are_wrong(story: Story) -> None:
    assert wrong_counts(story, None, calm)


def test_a_view_just_before_the_end_may_be_dropped(story: Story) -> None:
    story.plays["cy"]["p3"] = Play(END - 1, END - 0.5)
    for plays, viewers in ((2, 1), (3, 2)):
        assert wrong_counts(story, {"plays": plays, "viewers": viewers, "comment": 1}, calm) == {}


def test_a_view_accepted_during_a_fault_may_be_dropped(story: Story) -> None:
    assert wrong_counts(story, {"plays": 0, "viewers": 0, "comment": 1}, lambda since, until: False) == {}


def test_counts_of_a_deleted_story_have_only_upper_bounds(story: Story) -> None:
    story.deleted.begin(True, 950).ack(951)
    assert wrong_counts(story, {"plays": 0, "viewers": 0, "comment": 0}, calm) == {}
    assert wrong_counts(story, {"plays": 4, "viewers": 0, "comment": 0}, calm).keys() == {"plays"}


def test_insights_that_differ_from_the_counts_are_reported(story: Story) -> None:
    kept = {"plays": 3, "viewers": 2, "comment": 1, "answer": 1, "reaction": 2, "share": 0}
    kept |= {"how": "expired", "author_id": "ann"}
    sealed = {"plays": 3, "viewers": 2, "comments": 1, "answered": 1, "reactions": 2, "shares": 0}
    assert wrong_seal(story, kept | {"sealed": sealed}) == {}
    assert wrong_seal(story, kept | {"sealed": sealed | {"answered": 2}}) == {"answered": (2, 1)}
    assert wrong_seal(story, kept).keys() == {"sealed"}
    assert wrong_seal(story, kept | {"how": "deleted"}) == {}


def test_event_that_differs_from_the_sealed_insights_is_reported() -> None:
    sealed = {"plays": 3, "viewers": 2, "comments": 1, "shares": 0}
    event = {"plays": 3, "reach": {"total": 2}, "comments": 1, "shares": 0}
    assert wrong_event(event, sealed) == wrong_event(None, sealed) == {}
    assert wrong_event(event | {"plays": 4}, sealed) == {"plays": (4, 3)}


async def test_a_check_that_compared_no_story_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong: list[Any] = []
    ask = StoryChecks(None, Model(["ann"]), lambda promise, **about: wrong.append(promise), {})  # type: ignore[arg-type]
    monkeypatch.setattr("tests.chaos.checks.counts.kept_counts", lambda mongo_url, story_ids: {})
    await CountChecks(ask).ended("", calm)
    assert wrong == ["counts of ended stories are compared"]

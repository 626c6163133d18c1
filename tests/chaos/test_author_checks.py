"""What the checks of schedules, reposts and archives report."""

from typing import Any

import pytest

from tests.journeys.samples import Sample

from .checks.authors import AuthorChecks, wrong_archive, wrong_schedules
from .checks.erasure import wrong_archived, wrong_archived_objects
from .checks.stories import StoryChecks
from .fault_timeline import FaultTimeline
from .http_client import Answer
from .invariant_monitor import InvariantMonitor
from .model import Model, Story, Timeline

NOW = 1_000_000.0
KEYS = ["archive/ann/the-story/media", "archive/ann/the-story/poster"]


def calm(since: float, until: float) -> bool:
    return True


@pytest.fixture
def model() -> Model:
    made = Model(["ann", "bob"])
    made.keepers.add("ann")
    return made


@pytest.fixture
def story(model: Model) -> Story:
    """A story that expires at `NOW`."""
    return posted(model, "ann", "the-story")


def posted(model: Model, author: str, story_id: str) -> Story:
    made = Story(author, "key", "word", {}, Sample(b"", "image/jpeg"), Timeline(("everyone", frozenset())))
    made.state, made.live_at, made.posted_at, made.expires_at = "live", NOW - 50, NOW - 50, NOW
    model.add(made)
    model.name(made, story_id)
    return made


def schedules(model: Model) -> list[str]:
    return [promise for promise, _ in wrong_schedules(model, calm)]


def test_scheduled_story_goes_live_at_its_last_time(model: Model, story: Story) -> None:
    story.publish_at = Timeline(NOW - 70)
    assert schedules(model) == ["scheduled stories go live on time"]
    assert list(wrong_schedules(model, lambda since, until: False)) == []
    story.publish_at.begin(NOW - 50.5, NOW - 80).ack(NOW - 79)
    assert schedules(model) == []
    story.publish_at.begin(NOW - 49, NOW - 78).ack(NOW - 77)
    assert schedules(model) == ["no scheduled story goes live early"]


def test_scheduled_story_that_never_goes_live_is_reported(model: Model, story: Story) -> None:
    story.publish_at, story.posted_at, story.state = Timeline(NOW - 50), None, "scheduled"
    assert schedules(model) == ["every scheduled story goes live"]


def test_scheduled_story_that_is_shown_before_its_time_is_reported(model: Model, story: Story) -> None:
    monitor = InvariantMonitor(None, model, FaultTimeline(), lambda promise, **about: None)  # type: ignore[arg-type]
    story.publish_at = Timeline(NOW - 50)
    assert monitor.refusal("bob", story, Answer(200, NOW - 51, NOW - 50.1)) == "not due yet"
    assert monitor.refusal("bob", story, Answer(200, NOW - 51, NOW - 49.9)) is None


def test_story_with_an_unknown_result_may_be_archived(model: Model, story: Story) -> None:
    story.state = "publishing"
    assert model.archived(story, NOW + 1) == {True, False}
    story.state = "refused"
    assert model.archived(story, NOW + 1) == {False}


def test_expired_story_is_archived_unless_it_was_deleted(model: Model, story: Story) -> None:
    assert model.archived(story, NOW - 1) == {False}
    assert model.archived(story, NOW + 1) == {True}
    assert model.archived(posted(model, "bob", "another"), NOW + 1) == {False}
    removal = story.unarchived.begin(True, NOW + 2)
    assert model.archived(story, NOW + 3) == {True, False}
    removal.ack(NOW + 4)
    assert model.archived(story, NOW + 5) == {False}
    story.unarchived.refuse(removal)
    deletion = story.deleted.begin(True, NOW - 5)
    assert model.archived(story, NOW + 1) == {True, False}
    deletion.ack(NOW - 4)
    assert model.archived(story, NOW + 1) == {False}


def test_story_missing_from_or_left_in_an_archive_is_reported(model: Model, story: Story) -> None:
    assert wrong_archive(model, "ann", {"the-story"}, NOW + 1) == (set(), set())
    assert wrong_archive(model, "ann", set(), NOW + 1) == ({"the-story"}, set())
    assert wrong_archive(model, "bob", {"the-story"}, NOW + 1) == (set(), {"the-story"})
    story.unarchived.begin(True, NOW + 1).ack(NOW + 2)
    assert wrong_archive(model, "ann", {"the-story"}, NOW + 3) == (set(), {"the-story"})


def test_orphans_and_gaps_in_the_archive_s_objects_are_reported(model: Model, story: Story) -> None:
    assert list(wrong_archived_objects(KEYS, model, NOW + 10)) == []
    assert list(wrong_archived_objects(KEYS[:1], model, NOW + 10)) == [{"without": "the-story", "archived": KEYS[:1]}]
    foreign = ["archive/bob/the-story/media", "archive/ann/unknown/media"]
    assert list(wrong_archived_objects([*KEYS, *foreign], model, NOW + 10)) == [{"orphan": key} for key in foreign]
    story.unarchived.begin(True, NOW + 1).ack(NOW + 2)
    assert list(wrong_archived_objects(KEYS, model, NOW + 10)) == [{"orphan": key} for key in KEYS]


def test_receipt_that_is_wrong_about_the_archive_is_reported(model: Model, story: Story) -> None:
    kept: dict[str, Any] = {"archived": True, "ended": "expired", "erased": {"archive": None}}
    gone: dict[str, Any] = {"archived": False, "ended": "expired", "erased": {"archive": "now"}}
    assert not wrong_archived(kept, {True}, story)
    assert wrong_archived(gone, {True}, story)
    assert wrong_archived({**kept, "erased": {"archive": "now"}}, {True}, story)
    story.unarchived.begin(True, NOW + 1).ack(NOW + 2)
    assert not wrong_archived(gone, {False}, story)
    assert wrong_archived(kept, {False}, story)
    assert wrong_archived({**gone, "erased": {}}, {False}, story)


class Reads(StoryChecks):
    """Answers by path instead of requests."""

    def __init__(self, model: Model, wrong: list[str], answers: dict[str, tuple[int, Any]]) -> None:
        super().__init__(None, model, lambda promise, **about: wrong.append(promise), {})  # type: ignore[arg-type]
        self.answers = answers

    async def known(self, user: str, path: str, endpoint: str = "gateway", **params: object) -> Answer:
        status, body = self.answers[path]
        return Answer(status, NOW, NOW, body)


@pytest.mark.parametrize(
    ("state", "ended", "reported"),
    [("live", "deleted", ["no repost outlives its original"]), (None, "deleted", []), ("live", "expired", [])],
)
async def test_repost_that_outlives_its_original_is_reported(
    model: Model, story: Story, state: str | None, ended: str, reported: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.chaos.checks.authors.FOLLOWED_S", 0.0)
    repost = posted(model, "bob", "the-repost")
    repost.original = story
    story.deleted.begin(True, NOW - 5).ack(NOW - 4)
    repost.deleted.begin(True, NOW - 5)
    wrong: list[str] = []
    answers = {
        "/v1/stories/the-story/receipt": (200, {"ended": ended}),
        "/v1/me/stories/the-repost": (200, {"state": state}) if state else (404, None),
    }
    await AuthorChecks(Reads(model, wrong, answers), calm).reposts()
    assert wrong == reported
    assert (repost.deleted.final == {True}) == (state is None)

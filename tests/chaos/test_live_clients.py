"""Live clients: what they make of events, and what they report."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.journeys.live_stream import Event, messages
from tests.journeys.samples import Sample

from .checks.live import LiveChecks
from .checks.stories import StoryChecks
from .fault_timeline import FaultTimeline
from .live_clients import LiveClient, LiveClients, refusal
from .model import Model, Story, Timeline

NOW = 1_000_000.0
UNSEEN: Event = ("ring", {"author_id": "ann", "ring": "unseen"})
NONE: Event = ("ring", {"author_id": "ann", "ring": "none"})


@pytest.fixture
def model() -> Model:
    made = Model(["ann", "bob"])
    made.edge("following", "bob", "ann").begin(True, NOW - 50).ack(NOW - 49)
    return made


@pytest.fixture
def story(model: Model) -> Story:
    posted = Story("ann", "key", "word", {}, Sample(b"", "image/jpeg"), Timeline(("everyone", frozenset())))
    posted.state, posted.live_at, posted.expires_at = "live", NOW - 10, NOW + 100
    model.add(posted)
    model.name(posted, "the-story")
    return posted


class Trays:
    """A tray that a test sets."""

    def __init__(self) -> None:
        self.rings: dict[str, str] = {}


class FakeClient(LiveClient):
    """A client that reads a tray of the test's."""

    trays: Trays

    async def tray(self) -> tuple[dict[str, str], set[str]] | None:
        return dict(self.trays.rings), set()


@pytest.fixture
def wrong() -> list[str]:
    return []


@pytest.fixture
def client(model: Model, story: Story, wrong: list[str]) -> FakeClient:
    made = FakeClient(
        "bob",
        None,
        None,
        model,
        FaultTimeline(),
        lambda promise, **about: wrong.append(promise),  # type: ignore[arg-type]
    )
    made.trays = Trays()
    return made


def checks(client: FakeClient, model: Model, wrong: list[str]) -> LiveChecks:
    ask = StoryChecks(None, model, lambda promise, **about: wrong.append(promise), {})  # type: ignore[arg-type]
    return LiveChecks(ask, None, LiveClients([client], None, None))  # type: ignore[arg-type]


async def read(*lines: str) -> list[Any]:
    async def arriving() -> AsyncIterator[str]:
        for line in lines:
            yield line

    return [message async for message in messages(arriving())]


async def test_only_complete_messages_are_read() -> None:
    whole = ["retry: 2000", "id: a-0", "", ":", "", "id: a-1", "event: reset", "data: {}", ""]
    broken = ["id: a-2", "event: ring"]
    assert await read(*whole, *broken) == [("a-0", None), ("a-1", ("reset", {}))]


def test_ring_may_be_announced_while_its_story_is_visible(model: Model, story: Story) -> None:
    assert refusal(model, "bob", UNSEEN, NOW - 1, NOW) is None
    assert refusal(model, "bob", NONE, NOW - 1, NOW + 500) is None


def test_ring_announced_late_or_to_the_wrong_viewer_is_reported(model: Model, story: Story) -> None:
    assert refusal(model, "bob", UNSEEN, NOW + 100.1, NOW + 101.1) == "gone or not for the viewer"
    change = story.rule.begin(("everyone", frozenset({"bob"})), NOW)
    change.ack(NOW + 1)
    assert refusal(model, "bob", UNSEEN, NOW + 0.5, NOW + 1.5) is None
    assert refusal(model, "bob", UNSEEN, NOW + 1.5, NOW + 2.5) == "gone or not for the viewer"
    story.rule.refuse(change)
    story.deleted.begin(True, NOW).ack(NOW + 1)
    assert refusal(model, "bob", UNSEEN, NOW + 1.5, NOW + 2.5) == "gone or not for the viewer"
    model.edge("following", "bob", "ann").begin(False, NOW).ack(NOW + 1)
    assert refusal(model, "bob", UNSEEN, NOW + 1.5, NOW + 2.5) == "of somebody who is not followed"


def test_own_story_events_are_for_its_author_and_true(model: Model, story: Story) -> None:
    live, ended = (("story", {"id": "the-story", "state": state}) for state in ("live", "ended"))
    assert refusal(model, "ann", live, NOW - 1, NOW) is None
    assert refusal(model, "bob", live, NOW - 1, NOW) == "of somebody else's story"
    assert refusal(model, "ann", ended, NOW - 1, NOW) == "ended before its end"
    assert refusal(model, "ann", ended, NOW + 99, NOW + 100) is None
    assert refusal(model, "ann", live, NOW + 101, NOW + 102) == "gone or not for the viewer"


async def test_client_reports_what_it_must_not_be_told(client: FakeClient, wrong: list[str]) -> None:
    client.take(UNSEEN, NOW)
    client.take(UNSEEN, NOW + 102)
    assert wrong == ["nothing is announced that is gone or not for the viewer"]


async def test_client_that_knows_what_the_tray_shows_is_right(
    client: FakeClient, model: Model, wrong: list[str]
) -> None:
    client.take(UNSEEN, NOW)
    client.trays.rings = {"ann": "unseen"}
    await checks(client, model, wrong).current()
    assert wrong == []


async def test_change_that_no_event_told_is_reported(
    client: FakeClient, model: Model, wrong: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.chaos.checks.live.CURRENT_S", 0.0)
    client.take(UNSEEN, NOW)
    await checks(client, model, wrong).current()
    assert wrong == ["events, resumes and resets tell every change"]


async def test_reset_loads_the_tray_and_keeps_events_that_arrive_meanwhile(
    client: FakeClient, model: Model, wrong: list[str]
) -> None:
    client.trays.rings = {"ann": "seen", "cy": "unseen"}
    client.take(("reset", {}), NOW)
    client.take(UNSEEN, NOW)
    client.trays.rings["ann"] = "unseen"
    await checks(client, model, wrong).current()
    assert (client.rings, wrong) == ({"ann": "unseen", "cy": "unseen"}, [])


async def test_check_of_clients_that_were_told_nothing_fails(
    client: FakeClient, model: Model, wrong: list[str]
) -> None:
    await checks(client, model, wrong).current()
    assert wrong == ["live clients are told something"]

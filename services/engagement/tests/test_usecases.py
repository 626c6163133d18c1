"""Use cases, on in-memory ports."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from stories_engagement.domain.access_state import AccessState, BlockState
from stories_engagement.domain.answers import Answer
from stories_engagement.domain.errors import (
    AccessDenied,
    AnswerFinal,
    FeatureDisabled,
    FriendsOnly,
    NotFound,
    ReplicaStale,
    WrongAnswer,
)
from stories_engagement.domain.recent_plays import RecentPlays
from stories_engagement.domain.views import Play, ViewerRow
from stories_engagement.testing.builders import (
    NOON,
    OUTSIDE,
    a_layer,
    a_poll,
    a_quiz,
    a_record,
    a_story,
    a_ticket,
    a_view,
    an_access,
)
from stories_engagement.testing.stores import Stores, in_memory
from stories_engagement.usecases.access import CheckAccess, StoryAccess
from stories_engagement.usecases.answers import GiveAnswer
from stories_engagement.usecases.blocks import DropStoredBlocks, FindBlocked
from stories_engagement.usecases.comments import ReadComments, WriteComment
from stories_engagement.usecases.engagements import React, Share
from stories_engagement.usecases.hidden_words import ApplyHiddenWords, SetHiddenWords
from stories_engagement.usecases.insights import Period, ReadInsights
from stories_engagement.usecases.privacy import SetPrivacy, Unlist
from stories_engagement.usecases.stories import EndStories, StoreStories, live_story_of
from stories_engagement.usecases.views import CountViews, ListViewers, ReportedView, ReportViews, view_of
from stories_shared.auth.tickets import Ticket, TicketRefused
from stories_shared.errors import InvalidMessage, Unavailable
from stories_shared.events import StoryDeleted, StoryExpired, StoryViewed, Taps, UserErased
from stories_shared.events.ids import deterministic_id, new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.runtime.user_erasure import EraseUser
from stories_shared.testing import FakeClock


@dataclass
class Ports:
    """All ports, in memory."""

    stores: Stores = field(default_factory=in_memory)
    access_state: AccessState = field(default_factory=AccessState)
    now: FakeClock = field(default_factory=lambda: FakeClock(NOON))
    published: list[Any] = field(default_factory=list)
    stale: bool = False

    def __post_init__(self) -> None:
        self.story = a_story(posted_at=NOON)
        self.blocks = FindBlocked(self.access_state, self.stores.blocks)
        marks, user_data = self.stores.erased_users, self.stores.user_data
        self.erase_user = EraseUser("engagement", marks, user_data.erase_user, self.publish, self.now)
        self.check_access = CheckAccess(self.read, self.access_state, self.blocks, self, self.now)

    def read(self, text: str | None, viewer_id: str, now: datetime, grace: timedelta) -> Ticket:
        """A ticket reader that accepts every string except `forged`."""
        if text == "forged":
            raise TicketRefused("forged")
        return a_ticket(self.story, viewer_id, ends_at=NOON + timedelta(minutes=30))

    def is_stale(self, story_id: str, *user_ids: str) -> bool:
        return self.stale

    async def publish_views(self, views: Sequence[StoryViewed]) -> None:
        self.published += views

    async def publish(self, event: Any) -> None:
        self.published.append(event)

    async def publish_all(self, events: Iterable[OutgoingEvent]) -> None:
        self.published += [each.event for each in events]

    def access_of(self, user: str, **changes: Any) -> StoryAccess:
        return an_access(self.story.story_id, user, **changes)


@pytest.fixture
def ports() -> Ports:
    return Ports()


async def refusal(ports: Ports, user: str, ticket: str | None = "ticket", story_id: str | None = None) -> str:
    with pytest.raises(AccessDenied) as caught:
        await ports.check_access(user, story_id or ports.story.story_id, ticket)
    return caught.value.reason


async def test_author_needs_no_ticket_for_a_known_story(ports: Ports) -> None:
    assert await refusal(ports, "ann", None) == "missing"
    ports.access_state.post(ports.story.story_id, live_story_of(ports.story))
    assert (await ports.check_access("ann", ports.story.story_id, None)).is_author
    assert await refusal(ports, "bob", None) == "missing"


async def test_each_invalid_ticket_has_its_reason(ports: Ports) -> None:
    assert (await ports.check_access("bob", ports.story.story_id, "ticket")).user_id == "bob"
    assert await refusal(ports, "bob", "forged") == "forged"
    assert await refusal(ports, "bob", story_id=new_id()) == "story"
    narrowed = a_story(story_id=ports.story.story_id, posted_at=NOON, access_revision=2)
    ports.access_state.post(ports.story.story_id, live_story_of(narrowed))
    assert await refusal(ports, "bob") == "revision"
    ports.access_state.block("bob", "ann", BlockState(True, NOON), NOON)
    assert await refusal(ports, "bob") == "blocked"
    ports.now.forward(minutes=30)
    assert await refusal(ports, "bob") == "revision"
    assert await refusal(ports, "bob", story_id=new_id()) == "story"
    ports.access_state.end(ports.story.story_id, NOON)
    assert await refusal(ports, "bob") == "ended"


async def test_only_an_expired_ticket_that_is_not_revoked_is_expired(ports: Ports) -> None:
    ports.now.forward(minutes=30)
    assert await refusal(ports, "bob") == "expired"
    ports.access_state.post(ports.story.story_id, live_story_of(ports.story))
    assert await refusal(ports, "bob") == "expired"


async def test_access_state_is_read_again_after_the_block_look_up(ports: Ports) -> None:
    story_id = ports.story.story_id
    narrowed = live_story_of(a_story(story_id=story_id, posted_at=NOON, access_revision=2, revision=2))
    meanwhile: Callable[[], None]

    class LookUp(type(ports.stores.blocks)):  # type: ignore[misc]
        async def block_states(self, pairs: Any) -> Any:
            meanwhile()
            return await super().block_states(pairs)

    object.__setattr__(ports.blocks, "stored", LookUp(ports.stores.blocks.database))
    meanwhile = lambda: ports.access_state.post(story_id, narrowed)  # noqa: E731
    assert await refusal(ports, "bob") == "revision"

    def become_stale() -> None:
        ports.stale = True

    meanwhile = become_stale
    with pytest.raises(ReplicaStale):
        await ports.check_access("bob", story_id, "ticket")
    ports.stale = False
    meanwhile = lambda: ports.access_state.end(story_id, NOON)  # noqa: E731
    assert await refusal(ports, "bob") == "ended"


async def test_stale_replica_refuses_every_caller(ports: Ports) -> None:
    ports.stale = True
    with pytest.raises(ReplicaStale):
        await ports.check_access("ann", ports.story.story_id, None)
    ports.access_state.post(ports.story.story_id, live_story_of(ports.story))
    for user, ticket in (("ann", None), ("bob", "ticket")):
        with pytest.raises(ReplicaStale):
            await ports.check_access(user, ports.story.story_id, ticket)


async def test_accepted_views_are_published_with_ticket_data(ports: Ports) -> None:
    take = ReportViews(ports.check_access, ports.blocks, ports.stores.privacy, ports.publish_views, ports.now)
    entry = ReportedView("ticket", "play-0001", 900, True, Taps(exit=1))
    taken = await take("bob", [entry, ReportedView("forged", None, 0, False, Taps())])
    assert (taken.accepted, taken.rejected, taken.refusals) == (1, [(1, "ticket")], ["forged"])
    assert ports.published == [
        StoryViewed(
            story_id=ports.story.story_id,
            author_id="ann",
            viewer_id="bob",
            play_id="play-0001",
            viewed_at=NOON,
            watched_ms=900,
            completed=True,
            taps=Taps(exit=1),
            listed=True,
            follower=False,
        )
    ]
    await ports.stores.privacy.set_listed("bob", False, NOON)
    await take("bob", [ReportedView("ticket", None, 0, False, Taps())])
    assert ports.published[-1].listed is False
    assert ports.published[-1].play_id


async def test_missing_play_id_is_derived_from_the_record(ports: Ports) -> None:
    event = StoryViewed(story_id=ports.story.story_id, viewer_id="bob", viewed_at=NOON)
    once, redelivered, other = (
        a_record(event, event_id="1"),
        a_record(event, event_id="1"),
        a_record(event, event_id="2"),
    )
    assert view_of(once) == view_of(redelivered) != view_of(other)
    count = CountViews(ports.stores.view_store, RecentPlays(), ports.now)
    assert await count([once, redelivered, other]) == {"counted": 2, "replayed": 1}
    assert await count([once, redelivered, other]) == {"replayed": 3}


async def test_user_erased_during_a_batch_is_erased_after_it(ports: Ports) -> None:
    view_store = ports.stores.view_store
    record = a_record(StoryViewed(story_id=ports.story.story_id, viewer_id="bob", viewed_at=NOON))

    class Meanwhile(type(view_store)):  # type: ignore[misc]
        async def count(self, views: Any, now: Any) -> Any:
            result = await super().count(views, now)
            await ports.stores.erased_users.mark("bob", NOON, "receipt", NOON)
            return result

    await CountViews(Meanwhile(view_store.database), RecentPlays(), ports.now)([record])
    assert (await ports.stores.counters.counts(ports.story.story_id)).viewers == 0


async def test_history_off_during_a_batch_unlists_after_it(ports: Ports) -> None:
    view_store = ports.stores.view_store
    record = a_record(StoryViewed(story_id=ports.story.story_id, viewer_id="bob", viewed_at=NOON))

    class Meanwhile(type(view_store)):  # type: ignore[misc]
        async def count(self, views: Any, now: Any) -> Any:
            result = await super().count(views, now)
            await SetPrivacy(
                ports.stores.privacy, Unlist(ports.stores.privacy, view_store.unlist_some, ports.now), ports.now
            )("bob", False)
            view_store.database.rows[ports.story.story_id, "bob"] = next(iter(result.added.values()))
            return result

    await CountViews(Meanwhile(view_store.database), RecentPlays(), ports.now)([record])
    page = await ListViewers(view_store, ports.blocks)(ports.access_of("ann"), None, 10)
    assert (page.viewers, page.total, page.hidden) == ([], 1, 1)


async def test_user_with_many_views_is_unlisted_in_steps_and_hidden_at_once(ports: Ports) -> None:
    view_store, stories = ports.stores.view_store, [new_id() for _ in range(25)]
    views = [a_view(story_id, "bob") for story_id in (*stories, ports.story.story_id)]
    await view_store.count(views, ports.now)
    unlist = Unlist(ports.stores.privacy, view_store.unlist_some, ports.now)
    await SetPrivacy(ports.stores.privacy, unlist, ports.now)("bob", False)
    listed = [row for row in view_store.database.rows.values() if row.listed]
    assert 0 < len(listed) < 26
    page = await ListViewers(view_store, ports.blocks)(ports.access_of("ann"), None, 10)
    assert (page.viewers, page.total, page.hidden) == ([], 1, 1)
    ports.now.forward(minutes=1)
    assert [await unlist() for _ in range(3)] == [True, True, False]
    assert not any(row.listed for row in view_store.database.rows.values())


def expiry(ahead: timedelta) -> Any:
    at = NOON + ahead
    return a_record(StoryExpired(story_id=new_id(), author_id="ann", expires_at=at, expired_at=at))


async def test_expiry_waits_for_a_slow_clock_once(ports: Ports) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        assert len(ports.published) == 98
        slept.append(seconds)
        ports.now.forward(seconds=seconds)

    batch = [expiry(timedelta(milliseconds=n)) for n in range(-97, 3)]
    await EndStories(ports.stores.stories, ports.publish_all, ports.now, sleep).expired(batch)
    assert sorted(event.story_id for event in ports.published) == sorted(record.event.story_id for record in batch)
    assert slept == [0.002]


@pytest.mark.parametrize(
    ("ahead", "error"), [(timedelta(seconds=10), Unavailable), (timedelta(hours=1), InvalidMessage)]
)
async def test_expiry_far_ahead_is_refused(ports: Ports, ahead: timedelta, error: type[Exception]) -> None:
    with pytest.raises(error):
        await EndStories(ports.stores.stories, ports.publish_all, ports.now).expired([expiry(ahead)])
    assert ports.published == []


async def test_external_deletion_as_the_author_is_invalid(ports: Ports) -> None:
    event = StoryDeleted(story_id=ports.story.story_id, deleted_at=NOON, by="author")
    with pytest.raises(InvalidMessage):
        await EndStories(ports.stores.stories, ports.publish_all, ports.now).deleted([a_record(event, source=OUTSIDE)])


async def test_external_erasure_is_capped_and_names_its_receipt(ports: Ports) -> None:
    await StoreStories(ports.stores.stories)([a_record(ports.story)])
    views = [a_view(ports.story.story_id, "bob")]
    await ports.stores.view_store.count(views, ports.now)
    event = UserErased(user_id="bob", at=NOON + timedelta(days=1))
    record = a_record(event, source=OUTSIDE, at=NOON)
    erase = ports.erase_user
    for _ in range(2):
        await erase(record)
    assert {event.receipt_id for event in ports.published} == {deterministic_id(record.identity)}
    assert await ports.stores.view_store.marks(["bob"]) == ({"bob": NOON}, {})
    assert (await ports.stores.counters.counts(ports.story.story_id)).views == 0


async def test_erasure_is_rechecked_once(ports: Ports) -> None:
    erase = ports.erase_user
    await erase(a_record(UserErased(user_id="bob", at=NOON, receipt_id=new_id())))
    ports.stores.view_store.database.shares[ports.story.story_id, "bob"] = NOON
    assert not await erase.resume()
    ports.now.forward(minutes=2)
    assert (await erase.resume(), await erase.resume()) == (True, False)
    assert ports.stores.view_store.database.shares == {}


async def test_disabled_features_are_refused(ports: Ports) -> None:
    write = WriteComment(ports.stores.comments, ports.blocks, ports.now)
    for call, error in (
        (React(ports.stores.reactions, ports.now)(ports.access_of("bob", reactions=False), "❤️"), FeatureDisabled),
        (Share(ports.stores.shares.put, "x/{id}", ports.now)(ports.access_of("bob", sharing=False)), FeatureDisabled),
        (write(ports.access_of("bob", comments="nobody"), new_id(), "hi", None), FeatureDisabled),
        (write(ports.access_of("ann", comments="nobody"), new_id(), "hi", None), FeatureDisabled),
        (write(ports.access_of("bob", comments="friends"), new_id(), "hi", None), FriendsOnly),
    ):
        with pytest.raises(error):
            await call
    assert (await write(ports.access_of("ann", comments="friends"), new_id(), "hi", None)).text == "hi"


async def test_only_a_fitting_answer_to_a_known_layer_is_taken(ports: Ports) -> None:
    poll, quiz, question, code = a_poll(), a_quiz(), a_layer("question", prompt="?"), a_layer("promo_code", code="X")
    layers = (poll, quiz, question, code, a_layer("text", text="hi"), {"kind": "poll", "options": [], "id": "odd"})
    give = GiveAnswer(ports.stores.answers, ports.now)
    with pytest.raises(ReplicaStale):
        await give(ports.access_of("bob"), poll["id"], Answer(0))
    access = ports.access_of("bob", layers=live_story_of(a_story(layers=layers)).layers)
    assert [layer.kind for layer in access.layers or ()] == ["poll", "quiz", "question", "promo_code"]
    for layer, wrong in (
        (poll, Answer(2)),
        (poll, Answer()),
        (quiz, Answer(text="b")),
        (question, Answer(0)),
        (code, Answer(text="X")),
    ):
        with pytest.raises(WrongAnswer):
            await give(access, layer["id"], wrong)
    with pytest.raises(NotFound):
        await give(access, layers[4]["id"], Answer(0))
    for layer, given, expected in (
        (poll, Answer(0), (1, 0)),
        (poll, Answer(1), (0, 1)),
        (question, Answer(text="why"), (1,)),
        (code, Answer(), (1,)),
        (code, Answer(), (1,)),
    ):
        assert (await give(access, layer["id"], given))[1] == expected
    for _ in range(2):
        assert [layer.correct for layer, _ in [await give(access, quiz["id"], Answer(0))]] == [1]
    with pytest.raises(AnswerFinal):
        await give(access, quiz["id"], Answer(1))


async def test_author_reads_insights_until_a_deletion(ports: Ports) -> None:
    story_id, store = ports.story.story_id, ports.stores.insights
    read = ReadInsights(store, ports.access_state, ports, 5, ports.now)
    everything = Period(NOON - timedelta(days=1), NOON + timedelta(days=1))

    async def seen(user: str = "ann") -> tuple[int, bool, int]:
        found = (await read.story(user, story_id)).insights
        totals, page, _ = await read.stories(user, everything, None, 5)
        assert [each.insights for each in page] == [found]
        return found.viewers, found.sealed_at is not None, totals.viewers

    with pytest.raises(NotFound):
        await read.story("ann", story_id)
    await StoreStories(ports.stores.stories)([a_record(ports.story)])
    ports.access_state.post(story_id, live_story_of(ports.story))
    views = [a_view(story_id, "bob")]
    await ports.stores.view_store.count(views, ports.now)
    assert await seen() == (1, False, 1)
    with pytest.raises(NotFound):
        await read.story("bob", story_id)
    ports.stale = True
    with pytest.raises(ReplicaStale):
        await read.story("ann", story_id)
    ports.stale = False
    ports.now.forward(hours=1)
    assert await seen() == (1, False, 1)  # expired, and not sealed yet
    await ports.stores.stories.end([story_id], "expired")
    ports.access_state.end(story_id, ports.now())
    assert await seen() == (1, True, 1)
    assert (await read.story("ann", story_id)).drop_off is None
    await ports.stores.stories.end([story_id], "deleted")
    with pytest.raises(NotFound):
        await read.story("ann", story_id)


async def test_deletion_hides_insights_before_it_is_stored(ports: Ports) -> None:
    read = ReadInsights(ports.stores.insights, ports.access_state, ports, 5, ports.now)
    await StoreStories(ports.stores.stories)([a_record(ports.story)])
    ports.access_state.post(ports.story.story_id, live_story_of(ports.story))
    ports.access_state.end(ports.story.story_id, NOON)
    with pytest.raises(NotFound):
        await read.story("ann", ports.story.story_id)
    totals, page, _ = await read.stories("ann", Period(NOON, NOON + timedelta(days=1)), None, 5)
    assert (totals.stories, page) == (0, [])


async def test_a_page_of_comments_is_full_even_among_hidden_ones(ports: Ports) -> None:
    write = WriteComment(ports.stores.comments, ports.blocks, ports.now)
    await SetHiddenWords(ports.stores.words, ports.now, lambda: None)("ann", ["bad"])
    for n in range(20):
        ports.now.forward(seconds=1)
        await write(ports.access_of("bob"), new_id(), "bad" if n % 4 else f"good {n}", None)
    read = ReadComments(ports.stores.comments, ports.stores.words, ports.blocks)
    first, after = await read(ports.access_of("eve"), None, None, 3, wants_hidden=False)
    second, end = await read(ports.access_of("eve"), None, after, 3, wants_hidden=False)
    assert [c.text for c in first + second] == [f"good {n}" for n in (16, 12, 8, 4, 0)]
    assert end is None


async def test_invisible_comment_cannot_be_replied_to_or_opened(ports: Ports) -> None:
    write = WriteComment(ports.stores.comments, ports.blocks, ports.now)
    read = ReadComments(ports.stores.comments, ports.stores.words, ports.blocks)
    top = await write(ports.access_of("bob"), new_id(), "hi", None)
    ports.access_state.block("bob", "eve", BlockState(True, NOON), NOON)
    with pytest.raises(NotFound):
        await write(ports.access_of("eve"), new_id(), "reply", top.id)
    with pytest.raises(NotFound):
        await read(ports.access_of("eve"), top.id, None, 5, wants_hidden=False)
    assert await read(ports.access_of("zoe"), top.id, None, 5, wants_hidden=False) == ([], None)


async def test_readers_see_new_words_before_they_are_applied(ports: Ports) -> None:
    words = ports.stores.words
    await StoreStories(ports.stores.stories)([a_record(ports.story)])
    write = WriteComment(ports.stores.comments, ports.blocks, ports.now)
    read = ReadComments(ports.stores.comments, words, ports.blocks)
    top = await write(ports.access_of("bob"), new_id(), "you clown", None)
    reply = await write(ports.access_of("bob"), new_id(), "fine", top.id)
    changes: list[str] = []
    change = SetHiddenWords(words, ports.now, lambda: changes.append("woken"))

    async def seen() -> list[int]:
        pages = [await read(ports.access_of("eve"), at, None, 9, wants_hidden=False) for at in (None, top.id)]
        return [len(comments) for comments, _ in pages]

    for some, expected in ((["clown"], [0, 0]), ([], [1, 1]), (["fine"], [1, 0])):
        await change("ann", some)
        assert await seen() == expected
    assert changes == ["woken"] * 3
    assert (await ports.stores.comments.get(reply.id)).hidden is False
    ports.now.forward(seconds=1)
    apply = ApplyHiddenWords(words, ports.now)
    assert [await apply(), await apply()] == [True, False]
    assert await seen() == [1, 0]
    assert (await ports.stores.comments.get(reply.id)).hidden is True


async def test_stored_blocks_leave_memory_and_stay_in_force(ports: Ports) -> None:
    stored, drop = ports.stores.blocks, DropStoredBlocks(ports.access_state, ports.stores.blocks, ports.now)
    state = BlockState(True, NOON)
    ports.access_state.block("bob", "ann", state, NOON)
    for _ in range(3):
        ports.now.forward(minutes=1)
        assert not await drop()
        assert ports.access_state.sizes()["blocks"] == 1
    await stored.put("bob", "ann", state)
    ports.now.forward(minutes=1)
    assert not await drop()
    assert ports.access_state.sizes()["blocks"] == 0
    assert await ports.blocks.among("ann", ["bob", "eve"]) == await ports.blocks.of("ann") == {"bob"}
    lifted = BlockState(False, ports.now())
    ports.access_state.block("bob", "ann", lifted, ports.now())
    assert await ports.blocks.among("ann", ["bob"]) == frozenset()


async def test_block_dropped_during_a_query_is_in_force(ports: Ports) -> None:
    state = BlockState(True, NOON)
    ports.access_state.block("bob", "ann", state, NOON)

    class Slow(type(ports.stores.blocks)):  # type: ignore[misc]
        async def block_states(self, pairs: Any) -> Any:
            found = await super().block_states(pairs)
            await self.put("bob", "ann", state)
            ports.access_state.drop_stored({("bob", "ann"): state})
            return found

    blocks = FindBlocked(ports.access_state, Slow(ports.stores.blocks.database))
    assert await blocks.among("ann", ["bob"]) == {"bob"}


async def test_long_erasure_continues_in_background(ports: Ports) -> None:
    stores = ports.stores

    class Large(type(stores.stories)):  # type: ignore[misc]
        left = 3

        async def erase_small(self, story_ids: Collection[str]) -> set[str]:
            await super().erase_small(set(story_ids) - {ports.story.story_id})
            return {ports.story.story_id}

        async def erase(self, story_id: str, steps: int) -> bool:
            if story_id == ports.story.story_id and self.left:
                self.left -= 1
                return False
            return bool(await super().erase(story_id, steps))

    end, other = EndStories(Large(stores.stories.database), ports.publish_all, ports.now), new_id()
    events = [StoryDeleted(story_id=each, deleted_at=NOON, by="author") for each in (ports.story.story_id, other)]
    await end.deleted([a_record(event) for event in events])
    assert [event.story_id for event in ports.published] == [other]
    assert [await end.continue_erasing() for _ in range(4)] == [True, True, True, False]
    assert [event.story_id for event in ports.published] == [other, ports.story.story_id]


def test_row_without_plays_up_to_a_time(ports: Ports) -> None:
    later = NOON + timedelta(seconds=1)
    row = ViewerRow("s", "bob", NOON, True, {"a": Play(NOON), "b": Play(later)})
    left = row.without(NOON)
    assert left is not None
    assert (left.viewed_at, list(left.plays)) == (later, ["b"])
    assert row.without(later) is None


def test_recent_plays_are_bounded_and_detect_replays() -> None:
    recent = RecentPlays(bound=2)
    views = [a_view("s", f"v{n}", watched_ms=5) for n in range(3)]
    recent.remember(views)
    assert [recent.is_replay(view) for view in views] == [False, True, True]
    assert recent.is_replay(a_view("s", "v2", watched_ms=4))
    assert not recent.is_replay(a_view("s", "v2", watched_ms=6))

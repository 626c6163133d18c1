"""The verbs by themselves, on ports in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from stories_engagement.domain.access_state import AccessState, BlockState
from stories_engagement.domain.errors import AccessDenied, FeatureDisabled, FriendsOnly, NotFound, ReplicaStale
from stories_engagement.domain.recent_plays import RecentPlays
from stories_engagement.domain.views import Play, ViewerRow, count_views
from stories_engagement.testing.builders import NOON, OUTSIDE, a_record, a_story, a_ticket, a_view
from stories_engagement.testing.stores import Stores, in_memory
from stories_engagement.usecases.access import CheckAccess, StoryAccess
from stories_engagement.usecases.blocks import FindBlocked, ForgetStoredBlocks
from stories_engagement.usecases.comments import ReadComments, WriteComment
from stories_engagement.usecases.engagements import React, Share
from stories_engagement.usecases.erasure import EraseUser
from stories_engagement.usecases.hidden_words import ApplyHiddenWords, SetHiddenWords
from stories_engagement.usecases.privacy import SetPrivacy
from stories_engagement.usecases.stories import EndStories, StoreStories, live_story_of
from stories_engagement.usecases.views import CountViews, ListViewers, ReportedView, ReportViews, view_of
from stories_shared.auth.tickets import Ticket, TicketRefused
from stories_shared.errors import InvalidMessage, Unavailable
from stories_shared.events import StoryDeleted, StoryExpired, StoryViewed, Taps, UserErased
from stories_shared.events.ids import deterministic_id, new_id
from stories_shared.testing import HandClock


@dataclass
class Here:
    """Everything that the verbs need, in memory."""

    stores: Stores = field(default_factory=in_memory)
    access_state: AccessState = field(default_factory=AccessState)
    now: HandClock = field(default_factory=lambda: HandClock(NOON))
    published: list[Any] = field(default_factory=list)
    stale: bool = False

    def __post_init__(self) -> None:
        self.story = a_story(posted_at=NOON)
        self.blocks = FindBlocked(self.access_state, self.stores.blocks)
        self.check_access = CheckAccess(self, self.access_state, self.blocks, self, self.now)

    def read(self, text: str | None, viewer_id: str, now: datetime, grace: timedelta) -> Ticket:
        """A ticket reader to whom every text is a good ticket of the one story, but `forged`."""
        if text == "forged":
            raise TicketRefused("forged")
        return a_ticket(self.story, viewer_id, ends_at=NOON + timedelta(minutes=30))

    def is_stale(self, story_id: str, *user_ids: str) -> bool:
        return self.stale

    async def publish_views(self, views: Sequence[StoryViewed]) -> None:
        self.published += views

    async def publish_erased(self, event: Any) -> None:
        self.published.append(event)

    async def publish_data_erased(self, event: Any) -> None:
        self.published.append(event)

    def as_(self, user: str, **changes: Any) -> StoryAccess:
        fields = {"comments": "everyone", "friend": False, "reactions": True, "sharing": True, "view_list": True}
        return StoryAccess(self.story.story_id, user, "ann", **{**fields, **changes})


@pytest.fixture
def here() -> Here:
    return Here()


async def refusal(here: Here, user: str, text: str | None = "ticket", story_id: str | None = None) -> str:
    with pytest.raises(AccessDenied) as caught:
        await here.check_access(user, story_id or here.story.story_id, text)
    return caught.value.reason


async def test_the_author_needs_no_ticket_once_the_story_is_heard_of(here: Here) -> None:
    assert await refusal(here, "ann", None) == "missing"
    here.access_state.post(here.story.story_id, live_story_of(here.story))
    assert (await here.check_access("ann", here.story.story_id, None)).is_author
    assert await refusal(here, "bob", None) == "missing"


async def test_a_ticket_is_refused_for_each_reason_of_its_own(here: Here) -> None:
    assert (await here.check_access("bob", here.story.story_id, "ticket")).user_id == "bob"
    assert await refusal(here, "bob", "forged") == "forged"
    assert await refusal(here, "bob", story_id=new_id()) == "story"
    narrowed = a_story(story_id=here.story.story_id, posted_at=NOON, access_revision=2)
    here.access_state.post(here.story.story_id, live_story_of(narrowed))
    assert await refusal(here, "bob") == "revision"
    here.access_state.block("bob", "ann", BlockState(True, NOON), NOON)
    assert await refusal(here, "bob") == "blocked"
    here.now.forward(minutes=30)
    assert await refusal(here, "bob") == "expired"
    here.access_state.end(here.story.story_id, NOON)
    assert await refusal(here, "bob") == "ended"


async def test_who_hears_nothing_admits_nobody(here: Here) -> None:
    here.stale = True
    with pytest.raises(ReplicaStale):
        await here.check_access("ann", here.story.story_id, None)
    here.access_state.post(here.story.story_id, live_story_of(here.story))
    for user, ticket in (("ann", None), ("bob", "ticket")):
        with pytest.raises(ReplicaStale):
            await here.check_access(user, here.story.story_id, ticket)


async def test_taken_views_are_said_with_what_is_known_of_them(here: Here) -> None:
    take = ReportViews(here.check_access, here.blocks, here.stores.privacy, here, here.now)
    entry = ReportedView("ticket", "play-0001", 900, True, Taps(exit=1))
    taken = await take("bob", [entry, ReportedView("forged", None, 0, False, Taps())])
    assert (taken.accepted, taken.rejected, taken.refusals) == (1, [(1, "ticket")], ["forged"])
    assert here.published == [
        StoryViewed(
            story_id=here.story.story_id,
            author_id="ann",
            viewer_id="bob",
            play_id="play-0001",
            viewed_at=NOON,
            watched_ms=900,
            completed=True,
            taps=Taps(exit=1),
            listed=True,
        )
    ]
    await here.stores.privacy.set_listed("bob", False, NOON)
    await take("bob", [ReportedView("ticket", None, 0, False, Taps())])
    assert here.published[-1].listed is False
    assert here.published[-1].play_id


async def test_a_view_without_a_play_is_known_by_its_fact(here: Here) -> None:
    event = StoryViewed(story_id=here.story.story_id, viewer_id="bob", viewed_at=NOON)
    once, again, other = a_record(event, event_id="1"), a_record(event, event_id="1"), a_record(event, event_id="2")
    assert view_of(once) == view_of(again) != view_of(other)
    count = CountViews(here.stores.view_store, RecentPlays(), here.now)
    assert await count([once, again, other]) == {"counted": 2, "replayed": 1}
    assert await count([once, again, other]) == {"replayed": 3}


async def test_who_was_erased_while_a_batch_was_counted_is_forgotten_after_it(here: Here) -> None:
    view_store = here.stores.view_store
    record = a_record(StoryViewed(story_id=here.story.story_id, viewer_id="bob", viewed_at=NOON))

    class Meanwhile(type(view_store)):  # type: ignore[misc]
        async def count(self, views: Any, rule: Any) -> Any:
            result = await super().count(views, rule)
            await here.stores.erased_users.mark_erased("bob", NOON, NOON)
            return result

    await CountViews(Meanwhile(view_store.database), RecentPlays(), here.now)([record])
    assert (await here.stores.counters.counts(here.story.story_id)).viewers == 0


async def test_who_turned_the_history_off_while_a_batch_was_counted_is_unlisted_after_it(here: Here) -> None:
    view_store = here.stores.view_store
    record = a_record(StoryViewed(story_id=here.story.story_id, viewer_id="bob", viewed_at=NOON))

    class Meanwhile(type(view_store)):  # type: ignore[misc]
        async def count(self, views: Any, rule: Any) -> Any:
            result = await super().count(views, rule)
            await SetPrivacy(here.stores.privacy, view_store, here.now)("bob", False)
            view_store.database.rows[here.story.story_id, "bob"] = next(iter(result.added.values()))
            return result

    await CountViews(Meanwhile(view_store.database), RecentPlays(), here.now)([record])
    page = await ListViewers(view_store, here.blocks)(here.as_("ann"), None, 10)
    assert (page.viewers, page.total, page.hidden) == ([], 1, 1)


def expiry(ahead: timedelta) -> Any:
    at = NOON + ahead
    return a_record(StoryExpired(story_id=new_id(), author_id="ann", expires_at=at, expired_at=at))


async def test_a_clock_that_is_behind_is_waited_for_and_nothing_is_done_twice(here: Here) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        assert len(here.published) == 98
        slept.append(seconds)
        here.now.forward(seconds=seconds)

    batch = [expiry(timedelta(milliseconds=n)) for n in range(-97, 3)]
    await EndStories(here.stores.stories, here, here.now, sleep).expired(batch)
    assert sorted(event.story_id for event in here.published) == sorted(record.event.story_id for record in batch)
    assert slept == [0.002]


@pytest.mark.parametrize(
    ("ahead", "error"), [(timedelta(seconds=10), Unavailable), (timedelta(hours=1), InvalidMessage)]
)
async def test_an_expiry_far_ahead_is_not_waited_for(here: Here, ahead: timedelta, error: type[Exception]) -> None:
    with pytest.raises(error):
        await EndStories(here.stores.stories, here, here.now).expired([expiry(ahead)])
    assert here.published == []


async def test_an_outsiders_deletion_as_the_author_is_a_slip(here: Here) -> None:
    event = StoryDeleted(story_id=here.story.story_id, deleted_at=NOON, by="author")
    with pytest.raises(InvalidMessage):
        await EndStories(here.stores.stories, here, here.now).deleted([a_record(event, source=OUTSIDE)])


async def test_an_erasure_counts_from_when_the_log_heard_it_and_names_its_receipt(here: Here) -> None:
    await StoreStories(here.stores.stories)([a_record(here.story)])
    views = [a_view(here.story.story_id, "bob")]
    await here.stores.view_store.count(views, lambda context: count_views(views, context, here.now()))
    event = UserErased(user_id="bob", at=NOON + timedelta(days=1))
    record = a_record(event, source=OUTSIDE, at=NOON)
    erase = EraseUser(here.stores.erased_users, here, here.now)
    for _ in range(2):
        await erase(record)
    assert {event.receipt_id for event in here.published} == {deterministic_id(record.identity)}
    assert await here.stores.view_store.marks(["bob"]) == ({"bob": NOON}, {})
    assert (await here.stores.counters.counts(here.story.story_id)).views == 0


async def test_an_erasure_looks_twice(here: Here) -> None:
    erase = EraseUser(here.stores.erased_users, here, here.now)
    await erase(a_record(UserErased(user_id="bob", at=NOON, receipt_id=new_id())))
    here.stores.view_store.database.shares[here.story.story_id, "bob"] = NOON
    assert await erase.recheck() == 0
    here.now.forward(minutes=2)
    assert (await erase.recheck(), await erase.recheck()) == (1, 0)
    assert here.stores.view_store.database.shares == {}


async def test_switches_are_minded(here: Here) -> None:
    write = WriteComment(here.stores.comments, here.blocks, here.now)
    for call, error in (
        (React(here.stores.reactions, here.now)(here.as_("bob", reactions=False), "❤️"), FeatureDisabled),
        (Share(here.stores.shares, "x/{id}", here.now)(here.as_("bob", sharing=False)), FeatureDisabled),
        (write(here.as_("bob", comments="nobody"), new_id(), "hi", None), FeatureDisabled),
        (write(here.as_("ann", comments="nobody"), new_id(), "hi", None), FeatureDisabled),
        (write(here.as_("bob", comments="friends"), new_id(), "hi", None), FriendsOnly),
    ):
        with pytest.raises(error):
            await call
    assert (await write(here.as_("ann", comments="friends"), new_id(), "hi", None)).text == "hi"


async def test_a_page_of_comments_is_full_even_among_hidden_ones(here: Here) -> None:
    write = WriteComment(here.stores.comments, here.blocks, here.now)
    await SetHiddenWords(here.stores.words, here.now, lambda: None)("ann", ["bad"])
    for n in range(20):
        here.now.forward(seconds=1)
        await write(here.as_("bob"), new_id(), "bad" if n % 4 else f"good {n}", None)
    read = ReadComments(here.stores.comments, here.stores.words, here.blocks)
    first, after = await read(here.as_("eve"), None, None, 3, wants_hidden=False)
    second, end = await read(here.as_("eve"), None, after, 3, wants_hidden=False)
    assert [c.text for c in first + second] == [f"good {n}" for n in (16, 12, 8, 4, 0)]
    assert end is None


async def test_nobody_replies_to_or_opens_what_they_cannot_see(here: Here) -> None:
    write = WriteComment(here.stores.comments, here.blocks, here.now)
    read = ReadComments(here.stores.comments, here.stores.words, here.blocks)
    top = await write(here.as_("bob"), new_id(), "hi", None)
    here.access_state.block("bob", "eve", BlockState(True, NOON), NOON)
    with pytest.raises(NotFound):
        await write(here.as_("eve"), new_id(), "reply", top.id)
    with pytest.raises(NotFound):
        await read(here.as_("eve"), top.id, None, 5, wants_hidden=False)
    assert await read(here.as_("zoe"), top.id, None, 5, wants_hidden=False) == ([], None)


async def test_new_words_are_in_force_for_readers_before_they_are_applied(here: Here) -> None:
    words = here.stores.words
    await StoreStories(here.stores.stories)([a_record(here.story)])
    write = WriteComment(here.stores.comments, here.blocks, here.now)
    read = ReadComments(here.stores.comments, words, here.blocks)
    top = await write(here.as_("bob"), new_id(), "you clown", None)
    reply = await write(here.as_("bob"), new_id(), "fine", top.id)
    changes: list[str] = []
    change = SetHiddenWords(words, here.now, lambda: changes.append("woken"))

    async def seen() -> list[int]:
        pages = [await read(here.as_("eve"), at, None, 9, wants_hidden=False) for at in (None, top.id)]
        return [len(comments) for comments, _ in pages]

    for some, expected in ((["clown"], [0, 0]), ([], [1, 1]), (["fine"], [1, 0])):
        await change("ann", some)
        assert await seen() == expected
    assert changes == ["woken"] * 3
    assert (await here.stores.comments.get(reply.id)).hidden is False
    here.now.forward(seconds=1)
    apply = ApplyHiddenWords(words, here.now)
    assert [await apply(), await apply()] == [True, False]
    assert await seen() == [1, 0]
    assert (await here.stores.comments.get(reply.id)).hidden is True


async def test_blocks_leave_memory_once_they_are_stored_and_are_in_force_all_along(here: Here) -> None:
    stored, forget = here.stores.blocks, ForgetStoredBlocks(here.access_state, here.stores.blocks, here.now)
    state = BlockState(True, NOON)
    here.access_state.block("bob", "ann", state, NOON)
    for _ in range(3):
        here.now.forward(minutes=1)
        assert not await forget()
        assert here.access_state.sizes()["blocks"] == 1
    await stored.put("bob", "ann", state)
    here.now.forward(minutes=1)
    assert not await forget()
    assert here.access_state.sizes()["blocks"] == 0
    assert await here.blocks.among("ann", ["bob", "eve"]) == await here.blocks.of("ann") == {"bob"}
    lifted = BlockState(False, here.now())
    here.access_state.block("bob", "ann", lifted, here.now())
    assert await here.blocks.among("ann", ["bob"]) == frozenset()


async def test_a_block_that_is_dropped_while_it_is_asked_for_is_in_force(here: Here) -> None:
    state = BlockState(True, NOON)
    here.access_state.block("bob", "ann", state, NOON)

    class Slow(type(here.stores.blocks)):  # type: ignore[misc]
        async def block_states(self, pairs: Any) -> Any:
            found = await super().block_states(pairs)
            await self.put("bob", "ann", state)
            here.access_state.drop_stored({("bob", "ann"): state})
            return found

    blocks = FindBlocked(here.access_state, Slow(here.stores.blocks.database))
    assert await blocks.among("ann", ["bob"]) == {"bob"}


async def test_an_erasure_that_takes_long_goes_on_in_background(here: Here) -> None:
    stores = here.stores

    class Large(type(stores.stories)):  # type: ignore[misc]
        left = 3

        async def erase(self, story_id: str, steps: int) -> bool:
            if story_id == here.story.story_id and self.left:
                self.left -= 1
                return False
            return bool(await super().erase(story_id, steps))

    end, other = EndStories(Large(stores.stories.database), here, here.now), new_id()
    events = [StoryDeleted(story_id=each, deleted_at=NOON, by="author") for each in (here.story.story_id, other)]
    await end.deleted([a_record(event) for event in events])
    assert [event.story_id for event in here.published] == [other]
    assert [await end.continue_erasing() for _ in range(4)] == [True, True, True, False]
    assert [event.story_id for event in here.published] == [other, here.story.story_id]


def test_a_row_forgets_the_plays_of_a_time(here: Here) -> None:
    later = NOON + timedelta(seconds=1)
    row = ViewerRow("s", "bob", NOON, True, {"a": Play(NOON), "b": Play(later)})
    left = row.without(NOON)
    assert left is not None
    assert (left.viewed_at, list(left.plays)) == (later, ["b"])
    assert row.without(later) is None


def test_recent_plays_are_bounded_and_know_a_refinement_from_a_replay() -> None:
    recent = RecentPlays(bound=2)
    views = [a_view("s", f"v{n}", watched_ms=5) for n in range(3)]
    recent.remember(views)
    assert [recent.is_replay(view) for view in views] == [False, True, True]
    assert recent.is_replay(a_view("s", "v2", watched_ms=4))
    assert not recent.is_replay(a_view("s", "v2", watched_ms=6))

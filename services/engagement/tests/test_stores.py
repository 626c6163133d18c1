"""One contract suite over the fake and the real stores, the real ones on both drivers."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from stories_embedded.testing import IsolatedNamespace, Servers
from stories_engagement.domain.access_state import BlockState
from stories_engagement.domain.answers import Answer, AnswerableLayer, GivenAnswer, Tallies
from stories_engagement.domain.comments import Comment
from stories_engagement.domain.errors import AlreadyDecided, NotFound
from stories_engagement.domain.insights import Insights, LayerFigures, Totals
from stories_engagement.domain.reports import Decision, NewReport, Report, Target
from stories_engagement.domain.views import CountingResult, View
from stories_engagement.store.schema import ensure_schema
from stories_engagement.testing.builders import NOON, a_poll, a_story, a_view, an_access
from stories_engagement.testing.in_memory import FLOOR
from stories_engagement.testing.stores import Stores, in_memory, in_mongo
from stories_engagement.usecases.engagements import Counts
from stories_engagement.usecases.insights import Period
from stories_engagement.usecases.privacy import Unlisting
from stories_shared.events import StoryPosted
from stories_shared.events.ids import new_id
from stories_shared.mongo.client import Mongo

LATER = NOON + timedelta(minutes=10)
ENDS = NOON + timedelta(hours=24)


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["memory", "pymongo", "motor"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    if request.param == "memory":
        yield in_memory()
        return
    servers: Servers = request.getfixturevalue("servers")
    namespace = IsolatedNamespace(servers)
    mongo = Mongo.connect(namespace["MONGO_URL"], namespace["MONGO_DATABASE"], request.param)
    await ensure_schema(mongo)
    yield in_mongo(mongo, lambda: NOON)
    await mongo.close()
    await namespace.remove()


@pytest.fixture
def story() -> str:
    return new_id()


def posted(story_id: str, **changes: Any) -> StoryPosted:
    return a_story(story_id=story_id, **{"posted_at": NOON, "expires_at": ENDS, **changes})


async def count(stores: Stores, *views: View, now: Any = LATER) -> CountingResult:
    result: CountingResult = await stores.view_store.count(views, lambda: now)
    return result


async def counts(stores: Stores, story_id: str) -> tuple[int, int]:
    found: Counts = await stores.counters.counts(story_id)
    return found.viewers, found.views


async def comment(stores: Stores, story_id: str, text: str, reply_to: str | None = None, **more: Any) -> Comment:
    new = Comment(new_id(), story_id, more.pop("writer", "bob"), text, more.pop("at", NOON), reply_to)
    visible = more.pop("visible", lambda _: True)
    kept: Comment = await stores.comments.add(new, "ann", visible)
    return kept


async def test_redelivered_views_count_once(stores: Stores, story: str) -> None:
    views = [a_view(story, f"v{n}", f"play-000{m}") for n in range(3) for m in range(2)]
    assert (await count(stores, *views)).outcomes == {"counted": 6}
    assert (await count(stores, *views)).outcomes == {"replayed": 6}
    assert await counts(stores, story) == (3, 6)


async def test_concurrent_batches_count_each_view_once(stores: Stores, story: str) -> None:
    views = [a_view(story, f"v{n % 7}", f"play-{n:04}") for n in range(40)]
    await asyncio.gather(*(count(stores, *views[start : start + 20]) for start in (0, 5, 10, 20, 0)))
    assert await counts(stores, story) == (7, 40)


async def test_concurrent_plays_of_known_viewers_count_once(stores: Stores, story: str) -> None:
    await count(stores, *[a_view(story, f"v{n}", "play-first", watched_ms=5) for n in range(7)])
    views = [a_view(story, f"v{n % 7}", f"play-{n // 7:04}", watched_ms=5) for n in range(28)]
    views += [a_view(story, f"v{n}", "play-first", watched_ms=9) for n in range(7)]
    found = await asyncio.gather(*(count(stores, *some) for some in (views, views[10:], views[20:] + views[:5], views)))
    assert sum(result.outcomes["counted"] for result in found) == 28
    assert sum(result.outcomes["refined"] for result in found) == 7
    assert await counts(stores, story) == (7, 35)


async def test_repeated_play_keeps_the_maximum_of_each_figure(stores: Stores, story: str) -> None:
    await count(stores, a_view(story, "bob", watched_ms=5, forward=3))
    assert (await count(stores, a_view(story, "bob", watched_ms=9, completed=True))).outcomes == {"refined": 1}
    assert (await count(stores, a_view(story, "bob", watched_ms=9, forward=3))).outcomes == {"replayed": 1}
    assert await counts(stores, story) == (1, 1)


async def test_nothing_is_counted_after_the_end(stores: Stores, story: str) -> None:
    await stores.stories.put(posted(story))
    await count(stores, a_view(story, "bob"))
    await stores.stories.end([story], "deleted")
    assert (await count(stores, a_view(story, "eve"))).outcomes == {"late": 1}
    assert await stores.stories.erase(story, 1)
    assert await counts(stores, story) == (1, 1)
    assert (await stores.view_store.page(story, None, 10, frozenset())).viewers == []


async def test_a_story_that_ended_stays_ended(stores: Stores, story: str) -> None:
    await stores.stories.end([story], "deleted")
    await stores.stories.end([story], "expired")
    await stores.stories.put(posted(story))
    assert (await count(stores, a_view(story, "bob"))).outcomes == {"late": 1}
    with pytest.raises(NotFound):
        await stores.reactions.put(an_access(story, "bob"), "❤️", NOON)
    with pytest.raises(NotFound):
        await stores.shares.put(an_access(story, "bob"), NOON)
    with pytest.raises(NotFound):
        await comment(stores, story, "late")


async def test_an_older_revision_changes_nothing(stores: Stores, story: str) -> None:
    await stores.stories.put(posted(story, revision=2, expires_at=LATER))
    await stores.stories.put(posted(story, revision=1))
    assert (await count(stores, a_view(story, "bob"), now=LATER)).outcomes == {"late": 1}


async def test_own_view_is_removed_once_the_author_is_known(stores: Stores, story: str) -> None:
    await count(stores, a_view(story, "ann", author_id=None), a_view(story, "bob", author_id=None))
    assert await counts(stores, story) == (2, 2)
    await stores.stories.put(posted(story))
    assert await counts(stores, story) == (1, 1)


@pytest.mark.parametrize("lifting_first", [False, True])
async def test_block_drops_only_views_of_its_time(stores: Stores, story: str, lifting_first: bool) -> None:
    user, target = f"u{story}", f"t{story}"
    words = [BlockState(on=True, at=NOON), BlockState(on=False, at=LATER)]
    for state in reversed(words) if lifting_first else words:
        await stores.blocks.put(user, target, state)
    await stores.blocks.put(user, target, BlockState(on=True, at=NOON + timedelta(minutes=5)))
    times = (NOON - timedelta(seconds=1), NOON, LATER - timedelta(seconds=1), LATER)
    views = [a_view(story, target, f"play-000{n}", author_id=user, at=at) for n, at in enumerate(times)]
    assert (await count(stores, *views)).outcomes == {"counted": 2, "blocked": 2}
    swapped = a_view(new_id(), user, author_id=target, at=NOON)
    assert (await count(stores, swapped)).outcomes == {"blocked": 1}


async def test_viewers_page_newest_first_and_add_up(stores: Stores, story: str) -> None:
    at = [NOON, NOON, LATER, LATER, NOON]
    await count(stores, *(a_view(story, f"v{n}", at=at[n], listed=n != 4) for n in range(5)))
    await stores.reactions.put(an_access(story, "v3"), "❤️", NOON)
    first = await stores.view_store.page(story, None, 2, frozenset({"v2"}))
    assert [(v.viewer_id, v.plays, v.reaction) for v in first.viewers] == [("v3", 1, "❤️"), ("v1", 1, None)]
    second = await stores.view_store.page(story, (NOON, "v1"), 2, frozenset({"v2"}))
    assert [v.viewer_id for v in second.viewers] == ["v0"]
    assert (second.total, second.hidden) == (5, 2)


async def test_viewer_stays_hidden_after_the_list_is_on_again(stores: Stores, story: str) -> None:
    await stores.stories.put(posted(story, view_list=False))
    await count(stores, a_view(story, "bob"))
    await stores.stories.put(posted(story, revision=2))
    await count(stores, a_view(story, "bob", "play-0002"), a_view(story, "eve"))
    page = await stores.view_store.page(story, None, 5, frozenset())
    assert ([viewer.viewer_id for viewer in page.viewers], page.total, page.hidden) == (["eve"], 2, 1)


async def test_unlisting_applies_to_past_views_permanently(stores: Stores, story: str) -> None:
    shy = f"shy{story}"
    await count(stores, a_view(story, shy))
    await stores.privacy.set_listed(shy, False, LATER)
    await stores.view_store.unlist(shy, LATER)
    assert not await stores.privacy.listed(shy)
    await stores.privacy.set_listed(shy, True, LATER)
    assert (await stores.view_store.page(story, None, 5, frozenset())).hidden == 1
    other = new_id()
    await count(stores, a_view(other, shy, at=LATER + timedelta(seconds=1)), a_view(new_id(), shy, at=LATER))
    assert (await stores.view_store.page(other, None, 5, frozenset())).hidden == 0
    assert (await stores.view_store.marks([shy]))[1] == {shy: LATER}


async def test_unlisting_keeps_its_progress_until_it_is_done(stores: Stores, story: str) -> None:
    shy, at = f"shy{story}", NOON - timedelta(days=1)
    await count(stores, *(a_view(new_id(), shy) for _ in range(5)))
    await stores.privacy.set_listed(shy, False, at)
    work = await stores.privacy.claim_unlisting(LATER, at)
    assert work == Unlisting(shy, at, at)
    work = replace(work, after="0")
    await stores.privacy.keep_progress(work, at)
    assert await stores.privacy.claim_unlisting(LATER, at) == work
    await stores.privacy.set_listed(shy, True, LATER)
    await stores.privacy.unlisted(work)
    again = Unlisting(shy, LATER, LATER, "0")
    assert await stores.privacy.claim_unlisting(LATER, at) == again
    after: str | None = ""
    while after is not None:
        after = await stores.view_store.unlist_some(shy, LATER, after)
    await stores.privacy.unlisted(again)
    left = await stores.privacy.claim_unlisting(LATER, LATER)
    assert left is None or left.user_id != shy


async def test_reactions_move_and_are_withdrawn(stores: Stores, story: str) -> None:
    for user, emoji in (("bob", "❤️"), ("eve", "❤️"), ("bob", "🔥"), ("bob", "🔥")):
        await stores.reactions.put(an_access(story, user), emoji, NOON)
    assert await stores.reactions.counts(story) == {"❤️": 1, "🔥": 1}
    assert await stores.reactions.withdraw(story, "bob", NOON)
    assert await stores.reactions.withdraw(story, "bob", NOON)
    assert not await stores.reactions.withdraw(story, "zoe", NOON)
    assert await stores.reactions.mine(story, "bob") is None
    assert (await stores.counters.counts(story)).reactions == 1


async def test_shares_count_once_per_person(stores: Stores, story: str) -> None:
    for user in ("bob", "bob", "eve"):
        await stores.shares.put(an_access(story, user), NOON)
    assert (await stores.counters.counts(story)).shares == 2


POLL = AnswerableLayer(new_id(), "poll", 3)
QUIZ = AnswerableLayer(new_id(), "quiz", 2, 0)
QUESTION = AnswerableLayer(new_id(), "question")


async def answer(stores: Stores, story: str, user: str, layer: AnswerableLayer, given: Answer, at: Any = NOON) -> Any:
    return await stores.answers.put(an_access(story, user), layer, given, at)


async def tallies(stores: Stores, story: str, layer: AnswerableLayer) -> Tallies:
    found: Tallies = (await stores.answers.tallies(story, [POLL, QUIZ, QUESTION]))[layer.id]
    return found


async def test_answers_move_and_are_withdrawn(stores: Stores, story: str) -> None:
    for user, option in (("bob", 1), ("eve", 1), ("bob", 2), ("bob", 2)):
        assert await answer(stores, story, user, POLL, Answer(option)) == Answer(option)
    await answer(stores, story, "bob", QUESTION, Answer(text="why"))
    assert [await tallies(stores, story, layer) for layer in (POLL, QUIZ, QUESTION)] == [(0, 1, 1), (0, 0), (1,)]
    for _ in range(2):
        assert await stores.answers.withdraw(story, POLL.id, "bob", LATER)
    assert not await stores.answers.withdraw(story, POLL.id, "zoe", NOON)
    assert await tallies(stores, story, POLL) == (0, 1, 0)
    await answer(stores, story, "bob", POLL, Answer(0), LATER)
    page = await stores.answers.page(story, POLL.id, None, 1, frozenset())
    assert page == [GivenAnswer("bob", Answer(0), LATER)]
    assert await stores.answers.page(story, POLL.id, (LATER, "bob"), 5, frozenset()) == [
        GivenAnswer("eve", Answer(1), NOON)
    ]
    assert await stores.answers.page(story, POLL.id, None, 5, frozenset({"bob", "eve"})) == []
    assert await stores.answers.page(story, QUIZ.id, None, 5, frozenset()) == []


async def test_first_answer_to_a_quiz_stays(stores: Stores, story: str) -> None:
    given = await asyncio.gather(*(answer(stores, story, "bob", QUIZ, Answer(n % 2)) for n in range(6)))
    assert set(given) == {given[0]}
    assert sum(await tallies(stores, story, QUIZ)) == 1
    assert await stores.answers.withdraw(story, QUIZ.id, "bob", NOON)
    assert await answer(stores, story, "bob", QUIZ, Answer(0)) is None
    assert await tallies(stores, story, QUIZ) == (0, 0)


async def test_answers_leave_with_their_user_and_their_story(stores: Stores, story: str) -> None:
    gone = f"gone{story}"
    for user in (gone, "stays"):
        for layer, given in ((POLL, Answer(1)), (QUIZ, Answer(0)), (QUESTION, Answer(text="hi"))):
            await answer(stores, story, user, layer, given)
    await answer(stores, story, gone, POLL, Answer(2), LATER)
    for _ in range(2):
        await stores.user_data.erase_user(gone, NOON)
    assert [await tallies(stores, story, layer) for layer in (POLL, QUIZ, QUESTION)] == [(0, 1, 1), (1, 0), (1,)]
    await stores.stories.end([story], "deleted")
    with pytest.raises(NotFound):
        await answer(stores, story, "zoe", POLL, Answer(0))
    with pytest.raises(NotFound):
        await stores.answers.withdraw(story, POLL.id, "stays", NOON)
    assert await stores.stories.erase(story, 5)
    assert await stores.answers.page(story, POLL.id, None, 5, frozenset()) == []


async def test_sums_follow_refined_plays_and_erasures(stores: Stores, story: str) -> None:
    await count(stores, a_view(story, "ann", author_id=None, watched_ms=9_000, follower=True))
    await stores.stories.put(posted(story))
    gone = f"gone{story}"
    views = [
        a_view(story, gone, watched_ms=1_000, forward=1, completed=True, follower=True),
        a_view(story, "bob", watched_ms=3_000, back=2, follower=True),
        a_view(story, "eve", watched_ms=500, exit=1),
    ]
    await count(stores, *views)
    refined = a_view(story, "bob", watched_ms=4_000, forward=3, completed=True)
    for _ in range(2):
        await count(stores, refined, a_view(story, "bob", "play-0002", at=LATER, watched_ms=100))
    await stores.reactions.put(an_access(story, "bob"), "❤️", NOON)
    expected = Insights(story, "ann", NOON, ENDS, viewers=3, followers=2, plays=4, completed=2, watched_ms=5_600)
    expected = replace(expected, forward=4, back=2, exit=1, reactions=1, emoji={"❤️": 1})
    assert await stores.insights.live(story) == expected
    assert expected in await stores.insights.live_of("ann", 1_000)
    await stores.user_data.erase_user(gone, NOON)
    await stores.user_data.erase_user("bob", NOON)
    found = await stores.insights.live(story)
    assert (found.viewers, found.followers, found.plays, found.completed) == (2, 1, 2, 0)
    assert (found.watched_ms, found.forward, found.back, found.exit, found.reactions) == (600, 0, 0, 1, 0)


async def figures(stores: Stores, story: str, people: int, author: str = "ann", **changes: Any) -> None:
    """A story with a poll that some people view, react to and answer."""
    poll = {**a_poll(), "id": POLL.id}
    await stores.stories.put(posted(story, author_id=author, layers=(poll,), **changes))
    for n in range(people):
        await count(stores, a_view(story, f"v{n}", author_id=author, follower=n == 0, watched_ms=1_000))
        await stores.reactions.put(an_access(story, f"v{n}", author), "❤️", NOON)
        await stores.answers.put(an_access(story, f"v{n}", author), POLL, Answer(n % 2), NOON)


@pytest.mark.parametrize("people", [FLOOR, FLOOR - 1])
async def test_expired_story_keeps_its_figures_once(stores: Stores, story: str, people: int) -> None:
    await figures(stores, story, people)
    live = await stores.insights.live(story)
    for _ in range(2):
        await stores.stories.end([story], "expired")
        await stores.stories.erase(story, 10)
    sealed = await stores.insights.sealed(story)
    assert await stores.insights.live(story) is None
    assert sealed.sealed_at is not None
    enough = people == FLOOR
    assert replace(sealed, sealed_at=None) == replace(
        live,
        expires_at=sealed.expires_at,
        followers=1 if enough else None,
        emoji={"❤️": FLOOR} if enough else None,
        layers=(LayerFigures(POLL.id, "poll", (3, 2) if enough else None),),
    )
    assert (sealed.viewers, sealed.plays, sealed.reactions, sealed.answered) == (people,) * 4
    await stores.user_data.erase_user("v1", LATER)
    assert await stores.insights.sealed(story) == sealed


@pytest.mark.parametrize("endings", [["deleted"], ["deleted", "expired"], ["expired", "deleted"], ["orphaned"]])
async def test_deleted_story_has_no_figures(stores: Stores, story: str, endings: list[str]) -> None:
    await figures(stores, story, 1)
    for how in endings:
        await stores.stories.end([story], how)
    assert await stores.insights.sealed(story) is None
    assert await stores.insights.live(story) is None


async def test_sealed_figures_are_listed_and_added_up_by_author(stores: Stores, story: str) -> None:
    author, stories = f"author{story}", [new_id() for _ in range(4)]
    for n, story_id in enumerate(stories):
        at = NOON + timedelta(hours=n // 2)
        await figures(stores, story_id, n, author, posted_at=at, series_id=stories[0], part=n + 1, parts=4)
    assert await stores.insights.parts([stories[0]]) == {stories[0]: {1: 0, 2: 1, 3: 2, 4: 3}}
    for story_id in stories[1:]:
        await stores.stories.end([story_id], "expired")
    assert await stores.insights.parts([stories[0]]) == {stories[0]: {1: 0, 2: 1, 3: 2, 4: 3}}
    period = Period(NOON, ENDS)
    page = await stores.insights.sealed_page(author, period, (), None, 9)
    assert [sealed.story_id for sealed in page] == [stories[3], stories[2], stories[1]]
    page = await stores.insights.sealed_page(author, period, (), (page[0].posted_at, stories[3]), 1)
    assert [sealed.story_id for sealed in page] == [stories[2]]
    totals = await stores.insights.sealed_totals(author, period, ())
    assert (totals.stories, totals.viewers, totals.watched_ms, totals.reactions, totals.answered) == (3, 6, 6_000, 6, 6)
    assert (await stores.insights.sealed_totals(author, Period(NOON, LATER), ())).stories == 1
    assert (await stores.insights.sealed_totals(author, period, stories[1:3])).viewers == 3
    await stores.user_data.erase_user(author, LATER)
    assert await stores.insights.sealed_totals(author, period, ()) == Totals(2, 5, 5, 0, 5_000, 0, 0, 0, 5, 0, 0, 5)


async def test_comments_nest_page_and_are_deleted_with_replies(stores: Stores, story: str) -> None:
    top = await comment(stores, story, "top")
    reply = await comment(stores, story, "reply", top.id, at=NOON)
    deeper = await comment(stores, story, "deeper", reply.id, at=LATER)
    newer = await comment(stores, story, "newer", at=LATER)
    assert deeper.reply_to == top.id
    assert [c.text for c in await stores.comments.page(story, None, None, 9)] == ["newer", "top"]
    assert [c.text for c in await stores.comments.page(story, None, (LATER, newer.id), 9)] == ["top"]
    assert [c.text for c in await stores.comments.page(story, top.id, None, 1)] == ["reply"]
    assert [c.text for c in await stores.comments.page(story, top.id, (NOON, reply.id), 9)] == ["deeper"]
    assert (await stores.comments.get(top.id)).replies == 2
    assert await stores.comments.remove(top)
    assert not await stores.comments.remove(top)
    assert (await stores.counters.counts(story)).comments == 1
    assert await stores.comments.get(reply.id) is None
    assert await stores.comments.author_of(story) == "ann"


async def test_adding_a_comment_is_idempotent_by_id(stores: Stores, story: str) -> None:
    first = await comment(stores, story, "once")
    repeated = await stores.comments.add(first, "ann", lambda _: True)
    assert repeated == first
    assert (await stores.counters.counts(story)).comments == 1


async def test_reply_needs_a_visible_parent(stores: Stores, story: str) -> None:
    top = await comment(stores, story, "top")
    for reply_to, visible in ((top.id, lambda _: False), (new_id(), lambda _: True)):
        with pytest.raises(NotFound):
            await comment(stores, story, "reply", reply_to, visible=visible)


async def apply_words(stores: Stores, author_id: str) -> None:
    """Apply changes of words until this author's is applied."""
    until = LATER
    while await stores.words.unapplied(author_id) is not None:
        until += timedelta(hours=1)
        work = await stores.words.claim(until, until + timedelta(minutes=1))
        while work is not None:
            work = await stores.words.apply_some(work, until)


async def test_change_of_words_is_leased_and_stops_when_outdated(stores: Stores) -> None:
    author, until = f"author-{new_id()}", LATER + timedelta(minutes=1)
    await stores.words.set_words(author, ["one"], NOON - timedelta(days=1))
    work = await stores.words.claim(LATER, until)
    assert (work.author_id, work.words) == (author, ("one",))
    other = await stores.words.claim(LATER, until)
    assert other is None or other.author_id != author
    await stores.words.give_back(work, NOON - timedelta(days=1))
    assert (await stores.words.claim(LATER, until)).author_id == author
    await stores.words.set_words(author, ["two"], NOON)
    await apply_words(stores, author)
    assert await stores.words.words(author) == ("two",)


async def test_pending_erasure_is_leased_by_one_replica(stores: Stores, story: str) -> None:
    await stores.stories.end([story], "deleted")
    assert not await stores.stories.erase(story, 0)
    await stores.stories.erase_later(story, NOON)
    assert await stores.stories.claim_erasure(NOON, LATER) == story
    assert await stores.stories.claim_erasure(NOON, LATER) is None
    assert await stores.stories.claim_erasure(LATER, LATER) == story
    await stores.stories.erased(story)
    assert await stores.stories.claim_erasure(LATER, LATER) is None


async def test_stories_that_end_together_leave_others_alone(stores: Stores, story: str) -> None:
    ended, kept = [story, new_id()], new_id()
    for each in (*ended, kept):
        await figures(stores, each, 2)
    await stores.stories.end([*ended, new_id()], "expired")
    for _ in range(2):
        assert await stores.stories.erase_small([*ended, new_id()]) == set()
    for each in ended:
        assert (await stores.insights.sealed(each)).viewers == 2
        assert (await stores.view_store.page(each, None, 9, frozenset())).viewers == []
        assert await stores.answers.page(each, POLL.id, None, 5, frozenset()) == []
    assert [viewer.reaction for viewer in (await stores.view_store.page(kept, None, 9, frozenset())).viewers] == [
        "❤️"
    ] * 2
    assert await tallies(stores, kept, POLL) == (1, 1, 0)


async def test_stored_blocks_are_found_by_pair_and_by_user(stores: Stores, story: str) -> None:
    a, b, c = (f"{name}{story}" for name in "abc")
    active, lifted = BlockState(on=True, at=NOON), BlockState(on=False, at=LATER)
    await stores.blocks.put(a, b, active)
    await stores.blocks.put(c, a, BlockState(on=True, at=NOON))
    await stores.blocks.put(c, a, lifted)
    assert await stores.blocks.block_states([(a, b), (b, a), (c, a)]) == {(a, b): active, (c, a): lifted}
    assert await stores.blocks.block_states_of(a, 10) == {(a, b): active}
    assert await stores.blocks.block_states_of(b, 10) == {(a, b): active}
    newer = BlockState(on=False, at=LATER)
    compared = {(a, b): newer, (c, a): lifted, (b, c): active}
    assert await stores.blocks.outdated(compared) == {(c, a)}
    await stores.erased_users.mark(b, LATER, "receipt", LATER)
    assert await stores.blocks.outdated(compared) == {(a, b), (b, c), (c, a)}


async def test_hidden_words_hide_comments_and_their_replies(stores: Stores, story: str) -> None:
    await stores.stories.put(posted(story))
    top = await comment(stores, story, "a clown")
    reply = await comment(stores, story, "fine", top.id)
    other = await comment(stores, story, "ok")
    await comment(stores, story, "clown", other.id)
    assert await stores.words.unapplied("ann") is None
    await stores.words.set_words("ann", ["Clown"], NOON)
    assert await stores.words.unapplied("ann") == ("Clown",)
    await apply_words(stores, "ann")
    assert await stores.words.unapplied("ann") is None
    assert [(await stores.comments.get(c.id)).hidden for c in (top, reply, other)] == [True, True, False]
    assert [(await stores.comments.get(c.id)).replies for c in (top, other)] == [0, 0]
    assert (await stores.counters.counts(story)).comments == 1
    assert (await comment(stores, story, "such a CLOWN")).hidden
    await stores.words.set_words("ann", [], NOON)
    await apply_words(stores, "ann")
    assert (await stores.counters.counts(story)).comments == 5
    assert [(await stores.comments.get(c.id)).replies for c in (top, other)] == [1, 1]


async def test_erasure_deletes_a_users_data_up_to_its_time(stores: Stores, story: str) -> None:
    gone = f"gone{story}"
    after = LATER + timedelta(seconds=1)
    await count(stores, a_view(story, gone, "play-0001"), a_view(story, gone, "play-0002", at=after))
    await count(stores, a_view(story, "bob"))
    for user in (gone, "bob"):
        await stores.reactions.put(an_access(story, user), "❤️", NOON)
        await stores.shares.put(an_access(story, user), NOON)
        top = await comment(stores, story, "text", writer=user)
        await comment(stores, story, "reply", top.id, writer="bob")
    await comment(stores, story, "new", writer=gone, at=after)
    await stores.blocks.put("ann", gone, BlockState(on=True, at=NOON - timedelta(hours=1)))
    until = (await stores.erased_users.mark(gone, LATER, "one", after)).until
    await stores.blocks.put(gone, "bob", BlockState(on=True, at=NOON))
    for _ in range(2):
        await stores.user_data.erase_user(gone, until)
        assert await stores.counters.counts(story) == Counts(2, 2, 1, 3, 1)
    assert (await count(stores, a_view(story, gone, "play-0001"))).outcomes == {"erased": 1}
    later = a_view(story, gone, "play-0003", at=after)
    assert (await count(stores, later, a_view(new_id(), "bob", author_id=gone))).outcomes == {"counted": 2}


on_mongo = pytest.mark.parametrize("stores", ["pymongo", "motor"], indirect=True, scope="module")
"""Reports have no fake: no use case is tested with one."""


async def report(stores: Stores, target: Target, reporter: str, **more: Any) -> bool:
    made: bool = await stores.reports.add(NewReport(target, reporter, "spam", more.get("text"), NOON))
    return made


async def reports_of(stores: Stores, story_id: str) -> list[Report]:
    return [found for found in await stores.reports.page(None, None, 1_000) if found.story_id == story_id]


@on_mongo
async def test_each_reporter_has_one_report_and_all_are_decided_as_one(stores: Stores, story: str) -> None:
    await stores.stories.put(posted(story, caption="bad"))
    target = Target("story", story, "ann")
    made = [await report(stores, target, reporter) for reporter in ("bob", "bob", "eve")]
    assert made == [True, False, True]
    first, second = await reports_of(stores, story)
    assert (first.state, first.reports, first.copy["caption"] if first.copy else None) == ("open", 2, "bad")
    decision = Decision("remove_and_suspend", "root", LATER, days=3)
    key = await stores.reports.decide(second.id, decision)
    assert await stores.reports.decide(first.id, decision) == key
    with pytest.raises(AlreadyDecided):
        await stores.reports.decide(first.id, Decision("keep", "root", LATER))
    with pytest.raises(NotFound):
        await stores.reports.decide(new_id(), decision)
    assert await report(stores, target, "zoe")
    decided = await reports_of(stores, story)
    assert [found.state for found in decided] == ["decided"] * 3
    assert {found.decision for found in decided} == {decision}
    (entry,) = [entry for entry in await stores.reports.audit(None, 100) if entry.story_id == story]
    assert (entry.report_id, entry.author_id, entry.decision) == (second.id, "ann", decision)
    assert [found.id for found in await stores.reports.page("decided", decided[0].id, 1)] == [decided[1].id]


@on_mongo
async def test_report_made_while_its_story_arrives_gets_its_copy(stores: Stores, story: str) -> None:
    stories = [f"{story}{n}" for n in range(20)]
    for story_id in stories:
        reported = report(stores, Target("story", story_id, "ann"), "bob")
        await asyncio.gather(reported, stores.stories.put(posted(story_id, caption="bad")))
    copies = [found.copy for story_id in stories for found in await reports_of(stores, story_id)]
    assert [copy["caption"] if copy else None for copy in copies] == ["bad"] * len(stories)


@on_mongo
async def test_copy_of_a_reported_comment_outlives_the_comment(stores: Stores, story: str) -> None:
    rude = await comment(stores, story, "rude")
    await report(stores, Target("comment", story, "bob", rude.id), "eve")
    await stores.comments.remove(rude)
    (found,) = await reports_of(stores, story)
    assert (found.comment_id, found.author_id, found.copy["text"] if found.copy else None) == (rude.id, "bob", "rude")


@on_mongo
async def test_erased_users_leave_neither_reports_nor_copies(stores: Stores, story: str) -> None:
    author, reporter = f"author{story}", f"reporter{story}"
    await report(stores, Target("story", story, author), reporter, text="my own words")
    await stores.user_data.erase_user(reporter, LATER)
    (found,) = await reports_of(stores, story)
    assert (found.reason, found.text, found.state) == ("spam", None, "open")
    await stores.reports.decide(found.id, Decision("keep", "root", NOON))
    await stores.user_data.erase_user(author, LATER)
    assert await reports_of(stores, story) == []
    assert [e.author_id for e in await stores.reports.audit(None, 100) if e.story_id == story] == [None]


@on_mongo
async def test_story_reported_before_it_is_consumed_gets_its_copy(stores: Stores, story: str) -> None:
    await report(stores, Target("story", story, "ann"), "bob")
    assert [found.copy for found in await reports_of(stores, story)] == [None]
    await stores.stories.put(posted(story, caption="late"))
    assert [found.copy["caption"] for found in await reports_of(stores, story) if found.copy] == ["late"]

"""Pairs of writes at the same moment, each of which reads what the other writes: both orders end alike.

Transactions that read the same documents and write different ones do not conflict, and both commit (write skew).
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from pymongo.errors import OperationFailure
from stories_engagement.domain.answers import Answer, AnswerableLayer
from stories_engagement.domain.comments import Comment
from stories_engagement.domain.errors import NotFound
from stories_engagement.domain.reports import Decision, NewReport, Target
from stories_engagement.store.kinds import ROW_KINDS
from stories_engagement.store.schema import ENGAGEMENTS, REPORTED, REPORTS, VIEWERS, VIEWS
from stories_engagement.testing.builders import NOON, a_story, a_view, an_access
from stories_engagement.testing.stores import Stores, in_mongo
from stories_shared.events.ids import new_id
from stories_shared.mongo.client import Mongo

pytestmark = pytest.mark.servers

STORIES = 20
POLL = AnswerableLayer("poll", "poll", 2, None)
LATER = NOON + timedelta(minutes=10)


@pytest.fixture
def replicas(mongo: Mongo) -> tuple[Stores, Stores]:
    """Two replicas on one database: writes of one replica to a story share a transaction."""
    return in_mongo(mongo, lambda: NOON), in_mongo(mongo, lambda: NOON)


def posted(story_id: str) -> Any:
    return a_story(story_id=story_id, posted_at=NOON, expires_at=NOON + timedelta(hours=24))


async def view(stores: Stores, story_id: str, viewer_id: str) -> None:
    views = [a_view(story_id, viewer_id, author_id=None)]
    await stores.view_store.count(views, lambda: LATER)


async def answer(stores: Stores, story_id: str, user_id: str) -> None:
    await stores.answers.put(an_access(story_id, user_id), POLL, Answer(1), NOON)


async def comment(stores: Stores, story_id: str, text: str, reply_to: str | None = None) -> Comment:
    new = Comment(new_id(), story_id, "bob", text, NOON, reply_to)
    return await stores.comments.add(new, "ann", lambda comment: not comment.hidden)


async def done(operation: Callable[[], Awaitable[Any]]) -> None:
    """Run an operation as its callers do: again after a conflict that lasted; what an ending refuses is refused."""
    while True:
        try:
            await operation()
        except NotFound:
            return
        except OperationFailure as error:
            if not error.has_error_label("TransientTransactionError"):
                raise
        else:
            return


async def both(*operations: Callable[[], Awaitable[Any]]) -> None:
    """Run them at once."""
    await asyncio.gather(*map(done, operations))


async def rows_of(mongo: Mongo, story_id: str) -> int:
    found = [await mongo[kind.collection].count_documents(kind.of_stories([story_id])) for kind in ROW_KINDS]
    return sum(found) + await mongo[VIEWERS].count_documents({"story_id": story_id})


@pytest.mark.parametrize("known", [True, False], ids=["posted", "never-posted"])
async def test_no_row_comes_after_the_end(mongo: Mongo, replicas: tuple[Stores, Stores], known: bool) -> None:
    one, other = replicas
    for _ in range(STORIES):
        story_id = new_id()
        if known:
            await one.stories.put(posted(story_id))
        engaged = [partial(each, other, story_id, "bob") for each in (view, answer, comment)]
        await both(partial(one.stories.end, [story_id], "expired"), *engaged)
        before = await rows_of(mongo, story_id)
        counted = await one.counters.counts(story_id)
        answered = await mongo[ENGAGEMENTS].find_one({"_id": story_id})
        assert before == counted.viewers + counted.comments + answered["answer"]
        await one.stories.erase(story_id, 10)
        await both(*(partial(each, other, story_id, "eve") for each in (view, answer, comment)))
        assert await rows_of(mongo, story_id) == 0


async def test_sealed_figures_are_what_was_counted_before_the_end(
    mongo: Mongo, replicas: tuple[Stores, Stores]
) -> None:
    one, other = replicas
    for _ in range(STORIES):
        await one.stories.put(story := posted(new_id()))
        engaged = [partial(each, other, story.story_id, "bob") for each in (view, answer)]
        ends = [partial(each.stories.end, [story.story_id], "expired") for each in replicas]
        await both(*ends, *engaged)
        sealed = await one.insights.sealed(story.story_id)
        views, others = [await mongo[name].find_one({"_id": story.story_id}) for name in (VIEWS, ENGAGEMENTS)]
        assert sealed is not None
        assert (sealed.viewers, sealed.answered) == (views["viewers"], others["answer"])


async def test_a_deletion_at_the_moment_of_the_expiry_leaves_no_insights(replicas: tuple[Stores, Stores]) -> None:
    one, _other = replicas
    for _ in range(STORIES):
        await one.stories.put(story := posted(new_id()))
        ends = zip(replicas, ("expired", "deleted"), strict=True)
        await both(*(partial(each.stories.end, [story.story_id], how) for each, how in ends))
        assert await one.insights.sealed(story.story_id) is None


async def test_an_ended_story_is_not_stored_by_a_late_revision(mongo: Mongo, replicas: tuple[Stores, Stores]) -> None:
    one, other = replicas
    for revision in (1, 2):
        for _ in range(STORIES):
            story = posted(new_id())
            if revision == 2:
                await one.stories.put(story)
            late = a_story(story_id=story.story_id, revision=revision, posted_at=NOON, expires_at=story.expires_at)
            await both(partial(other.stories.put, late), partial(one.stories.end, [story.story_id], "deleted"))
            assert await mongo["stories"].find_one({"_id": story.story_id}) is None


async def test_the_authors_own_view_is_not_counted_whichever_comes_first(replicas: tuple[Stores, Stores]) -> None:
    one, other = replicas
    for _ in range(STORIES):
        story = posted(new_id())
        views = [partial(view, stores, story.story_id, user) for stores, user in ((other, "ann"), (one, "bob"))]
        await both(partial(one.stories.put, story), *views)
        assert (await one.counters.counts(story.story_id)).viewers == 1


async def test_a_reply_goes_with_its_comment(mongo: Mongo, replicas: tuple[Stores, Stores]) -> None:
    one, other = replicas
    for _ in range(STORIES):
        top = await comment(one, story_id := new_id(), "top")
        await both(partial(one.comments.remove, top), partial(comment, other, story_id, "reply", top.id))
        assert await rows_of(mongo, story_id) == (await one.counters.counts(story_id)).comments == 0


async def test_an_erased_author_leaves_no_report_behind(mongo: Mongo, replicas: tuple[Stores, Stores]) -> None:
    one, other = replicas
    for _ in range(STORIES):
        author, target = f"author-{new_id()}", Target("story", new_id(), "")
        target = Target("story", target.story_id, author)
        await one.reports.add(NewReport(target, "bob", "spam", None, NOON))
        late = (NewReport(target, user, "spam", None, LATER) for user in ("cat", "dan", "eve"))
        await both(partial(one.reports.erase_user, author, NOON), *(partial(other.reports.add, each) for each in late))
        rows = await mongo[REPORTS].count_documents({"target": target.key})
        reported = await mongo[REPORTED].find_one({"_id": target.key})
        assert rows == (reported["reports"] if reported else 0)


async def test_a_report_and_a_decision_leave_nothing_open(mongo: Mongo, replicas: tuple[Stores, Stores]) -> None:
    one, other = replicas
    for _ in range(STORIES):
        target = Target("story", new_id(), "ann")
        await one.reports.add(NewReport(target, "bob", "spam", None, NOON))
        first = await mongo[REPORTS].find_one({"target": target.key})
        decided = partial(one.reports.decide, first["_id"], Decision("keep", "root", LATER))
        await both(decided, partial(other.reports.add, NewReport(target, "cat", "spam", None, LATER)))
        assert await mongo[REPORTS].count_documents({"target": target.key, "state": "open"}) == 0


async def test_a_story_with_many_rows_is_left_to_steps_of_its_own(
    mongo: Mongo, replicas: tuple[Stores, Stores], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = replicas
    small, viewed, engaged = stories = [new_id() for _ in range(3)]
    for story_id, viewers, people in ((small, 2, 2), (viewed, 3, 0), (engaged, 0, 5)):
        await one.stories.put(posted(story_id))
        for n in range(viewers):
            await view(one, story_id, f"v{n}")
        for n in range(people):
            await answer(one, story_id, f"v{n}")
    await one.stories.end(stories, "deleted")
    monkeypatch.setattr("stories_engagement.store.stories.DELETE_BATCH", 2)
    assert await one.stories.erase_small(stories[:2]) == {viewed}
    assert await one.stories.erase_small(stories[2:]) == {engaged}
    assert [await rows_of(mongo, each) for each in stories] == [0, 3, 1]
    assert not await one.stories.erase(viewed, 1)
    assert await rows_of(mongo, viewed) == 1
    assert await one.stories.erase(viewed, 1)
    assert await one.stories.erase(engaged, 2)
    assert [await rows_of(mongo, each) for each in stories] == [0, 0, 0]

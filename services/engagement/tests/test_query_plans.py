"""Every query of engagement's stores has an index, on collections with data."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

from stories_embedded.testing import IsolatedNamespace
from stories_engagement.domain.access_state import BlockState
from stories_engagement.domain.answers import Answer, AnswerableLayer
from stories_engagement.domain.comments import Comment
from stories_engagement.domain.reports import Decision, NewReport, Target
from stories_engagement.domain.webhooks import Attempt, DeliveryState, Outcome, Webhook
from stories_engagement.store.schema import ensure_schema
from stories_engagement.testing.builders import NOON, a_record, a_story, a_view, an_access
from stories_engagement.testing.stores import Stores, in_mongo
from stories_engagement.usecases.insights import Period
from stories_engagement.usecases.webhooks import delivery_of
from stories_shared.events import CommentCreated
from stories_shared.events.ids import new_id
from stories_shared.mongo.client import Mongo
from stories_shared.testing.query_plans import CommandRecorder, slow_plans

LATER = NOON + timedelta(minutes=10)
STORIES, PEOPLE = 30, 30
POLL, QUIZ = AnswerableLayer(new_id(), "poll", 2), AnswerableLayer(new_id(), "quiz", 2, 1)


async def write(stores: Stores, story_id: str, writer: str, text: str, reply_to: str | None = None) -> Comment:
    comment = Comment(new_id(), story_id, writer, text, NOON, reply_to)
    kept: Comment = await stores.comments.add(comment, "ann", lambda _: True)
    return kept


async def fill(stores: Stores) -> list[str]:
    """Stories with viewers, reactions, shares and comments; blocks, settings and erasures of users."""
    ids = [new_id() for _ in range(STORIES)]
    for n, story_id in enumerate(ids):
        series = {"series_id": ids[n // 2 * 2], "part": n % 2 + 1, "parts": 2} if n > STORIES // 2 else {}
        author = "ann" if n % 2 else "amy"
        await stores.stories.put(a_story(story_id=story_id, posted_at=NOON, author_id=author, **series))
        views = [a_view(story_id, f"v{viewer}", listed=bool(viewer % 5)) for viewer in range(PEOPLE)]
        await stores.view_store.count(views, lambda: LATER)
        answers = [(f"v{viewer}", layer) for viewer in range(5) for layer in (POLL, QUIZ)]
        await asyncio.gather(
            *(stores.answers.put(an_access(story_id, v), layer, Answer(0), NOON) for v, layer in answers)
        )
        for viewer in range(5):
            await stores.reactions.put(an_access(story_id, f"v{viewer}"), "❤️", NOON)
            await stores.shares.put(an_access(story_id, f"v{viewer}"), NOON)
            top = await write(stores, story_id, f"v{viewer}", "a clown")
            await write(stores, story_id, "bob", "fine", top.id)
    for n in range(PEOPLE):
        await stores.blocks.put(f"v{n}", f"w{n}", BlockState(on=True, at=NOON))
        await stores.privacy.set_listed(f"w{n}", False, NOON)
        await stores.erased_users.mark(f"x{n}", NOON, "receipt", LATER)
        await stores.words.set_words(f"y{n}", ["clown"], NOON)
        target = Target("story", ids[n], "ann" if n % 2 else "amy")
        for reporter in range(5):
            await stores.reports.add(NewReport(target, f"r{n}-{reporter}", "spam", None, NOON))
        webhook = Webhook(f"hook{n}", "https://example.com", ("comment-created",), "", NOON)
        await stores.webhooks.add(webhook)
        comment = CommentCreated(story_id=ids[n], author_id=f"a{n}", comment_id=new_id(), user_id="bob", at=NOON)
        comments = [a_record(comment) for _ in range(5)]
        await stores.deliveries.add([delivery_of(record, webhook.id, NOON) for record in comments])
    return ids


async def use(stores: Stores, ids: list[str]) -> None:
    """Every read and write that is not used to fill."""
    story, author = ids[0], "ann"
    await stores.stories.put(a_story(story_id=story, posted_at=NOON, revision=2))
    page = await stores.view_store.page(story, (NOON, "v9"), 5, frozenset({"v3"}))
    assert page.viewers
    assert await stores.view_store.total(story) == PEOPLE
    await stores.view_store.unlist("v7", LATER)
    unlisting = await stores.privacy.claim_unlisting(LATER, LATER)
    await stores.privacy.keep_progress(unlisting, NOON)
    await stores.privacy.unlisted(unlisting)
    assert (await stores.view_store.marks(["x1", "w1"]))[0]
    assert await stores.privacy.listed("v1")
    await stores.privacy.set_listed("w1", True, NOON)
    (top, *_) = await stores.comments.page(story, None, (LATER, new_id()), 2)
    assert await stores.comments.page(story, top.id, (NOON - timedelta(hours=1), top.id), 2)
    assert await stores.comments.get(top.id)
    assert await stores.comments.author_of(story)
    assert await stores.comments.remove(top)
    assert await stores.reactions.withdraw(story, "v1", NOON)
    assert await stores.reactions.counts(story)
    assert await stores.reactions.mine(story, "v2")
    assert await stores.answers.withdraw(story, POLL.id, "v1", NOON)
    assert await stores.answers.tallies(story, [POLL])
    assert await stores.answers.page(story, POLL.id, (LATER, "v9"), 5, frozenset({"v3"}))
    assert (await stores.counters.counts(story)).comments
    await stores.words.set_words(author, ["clown"], NOON - timedelta(hours=1))
    work: Any = await stores.words.claim(LATER, LATER)
    assert work.author_id == author
    await stores.words.give_back(work, NOON)
    while work is not None:
        work = await stores.words.apply_some(work, LATER)
    assert await stores.words.words(author) == ("clown",)
    assert await stores.words.unapplied(author) is None
    assert await stores.blocks.block_states_of("v1", 10)
    assert await stores.blocks.outdated({("v1", "w1"): BlockState(on=True, at=NOON)})
    due = await stores.erased_users.claim(LATER, NOON)
    await stores.erased_users.schedule(due, LATER)
    await stores.erased_users.finish(due, None)
    (report, *_) = await stores.reports.page("open", "0", 2)
    assert await stores.reports.page(None, report.id, 2)
    assert await stores.reports.get(report.id)
    await stores.reports.decide(report.id, Decision("remove", "root", NOON))
    assert await stores.reports.audit("~", 5)
    assert await stores.reports.open_reports()
    assert await stores.webhooks.of_event("comment-created")
    assert (await stores.webhooks.change("hook2", {"enabled": False})).id == "hook2"
    sent, answer = stores.deliveries, Attempt(500, "status")
    states: tuple[DeliveryState, ...] = ("delivered", "dead")
    for webhook, state in zip(("hook3", "hook4"), states, strict=True):
        (delivery,) = await sent.due(webhook, LATER)
        await sent.record(webhook, [Outcome(delivery, answer, NOON, "pending", NOON)])
        await sent.record(webhook, [Outcome(replace(delivery, attempts=1), answer, NOON, state)])
    (delivery,) = await sent.due("hook5", LATER)
    await sent.record("hook5", [Outcome(delivery, None, NOON, "pending", LATER + timedelta(days=1))])
    assert await sent.due("hook5", LATER) == []
    (newest, *_) = await sent.page("hook3", None, 2)
    assert await sent.page("hook3", (newest.created_at, newest.id), 2)
    await sent.retry("hook3", newest.id, NOON)
    assert (await sent.backlog())[0]
    assert await sent.content(story) != (None, True)
    await stores.webhooks.delete("hook1")
    await stores.webhooks.remove_deleted()
    await stores.user_data.erase_user("a6", LATER)
    await stores.user_data.erase_user("r1-1", LATER)
    await stores.user_data.erase_user("amy", LATER)
    await stores.user_data.erase_user("v4", LATER)
    await stores.user_data.erase_user("y1", LATER)
    assert [known async for known in stores.stories.live()]
    await stores.view_store.count([a_view(new_id(), "v1")], lambda: LATER)
    await stores.stories.find_orphans(LATER, 5)
    for expired in ids[-STORIES // 2 :]:
        await stores.stories.end([expired], "expired")
    period = Period(NOON, LATER)
    assert await stores.insights.live(story)
    assert await stores.insights.live_of(author, 5)
    assert await stores.insights.sealed(ids[-1])
    assert await stores.insights.sealed_page(author, period, [story], (LATER, new_id()), 3)
    assert (await stores.insights.sealed_totals(author, period, [story])).stories
    assert await stores.insights.parts([ids[-2]])
    await stores.user_data.erase_user(author, NOON)
    await stores.stories.end([story], "deleted")
    assert [ended async for ended in stores.stories.ended_since(NOON - timedelta(days=1))]
    assert await stores.stories.erase(story, 5)
    await stores.stories.erase_later(story, NOON)
    assert await stores.stories.claim_erasure(LATER, LATER) == story
    await stores.stories.erased(story)


async def test_every_query_has_an_index(namespace: IsolatedNamespace) -> None:
    recorder = CommandRecorder()
    mongo = Mongo.connect(namespace["MONGO_URL"], namespace["MONGO_DATABASE"], listeners=[recorder])
    await ensure_schema(mongo)
    stores = in_mongo(mongo, lambda: NOON)
    await use(stores, await fill(stores))
    # A starting replica reads all live stories, without a filter.
    whole = [command for command in recorder.commands if command.get("find") == "stories" and not command["filter"]]
    assert len(whole) == 1
    few = [command for command in recorder.commands if "webhooks" in command.values()]  # at most 50 documents
    others = [command for command in recorder.commands if command not in [*whole, *few]]
    assert await slow_plans(mongo, others) == []
    await mongo.close()

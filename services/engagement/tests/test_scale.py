"""Background work on large data: bounded steps, stored progress, no delay of other stories."""

from datetime import timedelta
from typing import Any

from stories_engagement.store.hidden_words import REHIDE_BATCH
from stories_engagement.store.stories import DELETE_BATCH
from stories_engagement.testing.harness import ServiceHarness
from stories_engagement.testing.stores import in_mongo
from stories_engagement.usecases.hidden_words import REHIDE_STEPS, ApplyHiddenWords
from stories_engagement.usecases.stories import ERASE_STEPS
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events import StoryDeleted, StoryErased, StoryPosted
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.testing import eventually

MANY_COMMENTS = REHIDE_BATCH * REHIDE_STEPS * 2
MANY_VIEWERS = DELETE_BATCH * ERASE_STEPS * 2


async def comment_on(service: ServiceHarness, story: StoryPosted, number: int) -> None:
    """Insert comments, every other one with a bad word, each tenth a reply to the first."""
    at = truncate_to_ms(system_now())
    rows: list[dict[str, Any]] = []
    for n in range(number):
        text, reply_to = "bad" if n % 2 else "good", rows[0]["_id"] if n and not n % 10 else None
        rows.append({"_id": new_id(), "story_id": story.story_id, "writer_id": "bob", "text": text, "at": at})
        rows[-1] |= {"reply_to": reply_to, "replies": 0, "own": False, "hidden": False}
    rows[0]["replies"] = sum(row["reply_to"] is not None for row in rows)
    await service.mongo["comments"].insert_many(rows)
    counts = {"seq": 1, "reaction": 0, "comment": number, "share": 0, "emoji": {}, "ended": None, "at": at}
    await service.mongo["engagements"].insert_one({"_id": story.story_id, "author_id": story.author_id, **counts})


async def test_hidden_words_are_applied_to_many_comments_in_background(service: ServiceHarness) -> None:
    author = f"ann-{new_id()}"
    story, path = await service.post(author), "/v1/me/hidden-words"
    await comment_on(service, story, MANY_COMMENTS)
    answer = await service.request("PUT", path, author, json={"words": ["bad"]})
    assert (answer.status_code, answer.json()) == (200, {"words": ["bad"]})
    page = await service.request("GET", f"/v1/stories/{story.story_id}/comments", author, params={"limit": 40})
    assert {item["text"] for item in page.json()["items"]} == {"good"}

    async def applied() -> bool:
        return (await service.counts(story))["comments"] == MANY_COMMENTS / 2

    await eventually(applied, within_s=120)
    answer = await service.request("PUT", path, author, json={"words": []})
    assert answer.status_code == 200

    async def shown_again() -> bool:
        return (await service.counts(story))["comments"] == MANY_COMMENTS

    await eventually(shown_again, within_s=120)


async def test_replica_continues_the_progress_of_another_one(service: ServiceHarness) -> None:
    author = f"ann-{new_id()}"
    story, now = await service.post(author), truncate_to_ms(system_now()) - timedelta(days=1)
    await comment_on(service, story, REHIDE_BATCH * 5)
    stores = in_mongo(service.mongo, system_now)
    await stores.words.set_words(author, ["bad"], now + timedelta(days=2))
    first: Any = await claimed(stores.words, author, now + timedelta(days=2))
    for _ in range(4):
        first = await stores.words.apply_some(first, now + timedelta(days=3))
    hidden = {"story_id": story.story_id, "hidden": True}
    assert await service.mongo["comments"].count_documents(hidden) == REHIDE_BATCH * 3 / 2
    second: Any = await claimed(stores.words, author, now + timedelta(days=3))
    assert (second.story_id, second.comment_id) == (story.story_id, first.comment_id)
    await stores.words.set_words(author, ["good"], now + timedelta(days=4))
    assert await stores.words.apply_some(second, now + timedelta(days=5)) is None
    apply = ApplyHiddenWords(stores.words, lambda: now + timedelta(days=4))
    assert await apply()
    assert (await service.counts(story))["comments"] == REHIDE_BATCH * 5 / 2


async def claimed(words: Any, author: str, at: Any) -> Any:
    """Lease the author's change."""
    work = await words.claim(at, at + timedelta(days=1))
    assert work.author_id == author
    return work


async def test_erasure_of_a_large_story_delays_no_other(service: ServiceHarness) -> None:
    large, small = await service.post(), await service.post()
    at = truncate_to_ms(system_now())
    rows = [
        {"_id": f"v{n}/{large.story_id}", "story_id": large.story_id, "viewer_id": f"v{n}", "at": at, "listed": True}
        for n in range(MANY_VIEWERS)
    ]
    await service.mongo["viewers"].insert_many(rows)
    read_events = service.event_reader(StoryErased)
    deleted = [StoryDeleted(story_id=story.story_id, deleted_at=at, by="author") for story in (large, small)]
    await service.ingest.publish_all([OutgoingEvent(event) for event in deleted])

    async def erased(story: StoryPosted) -> bool:
        return any(event.story_id == story.story_id for event in await read_events())

    await eventually(lambda: erased(small), within_s=60)
    await eventually(lambda: erased(large), within_s=60)
    assert await service.mongo["viewers"].find_one({"story_id": large.story_id}) is None
    erased_at = {event.story_id: event.erased_at for event in await read_events()}
    assert erased_at[small.story_id] < erased_at[large.story_id]

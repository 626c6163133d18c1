"""Group commit of writes to one story: few commands, exact counts."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent
from stories_embedded.testing import IsolatedNamespace
from stories_engagement.domain.answers import Answer, AnswerableLayer
from stories_engagement.domain.comments import Comment
from stories_engagement.domain.errors import NotFound
from stories_engagement.store.kinds import ROW_KINDS
from stories_engagement.store.schema import ensure_schema
from stories_engagement.store.story_counters import MAX_WRITES_PER_TRANSACTION
from stories_engagement.store.writes import REMOVE_BATCH
from stories_engagement.testing.builders import NOON, an_access
from stories_engagement.testing.stores import Stores, in_mongo
from stories_shared.events.ids import new_id
from stories_shared.mongo.client import Mongo

EMOJI = ("❤️", "🔥", "😂")
POLL = AnswerableLayer(new_id(), "poll", 2)


@dataclass
class Counting(CommandListener):
    """How often each command was sent."""

    sent: Counter[str] = field(default_factory=Counter)

    def started(self, event: CommandStartedEvent) -> None:
        self.sent[event.command_name] += 1

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Nothing to count."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Nothing to count."""


@pytest.fixture
def commands() -> Counting:
    return Counting()


@pytest.fixture
async def mongo(namespace: IsolatedNamespace, commands: Counting) -> AsyncIterator[Mongo]:
    connected = Mongo.connect(namespace["MONGO_URL"], namespace["MONGO_DATABASE"], listeners=[commands])
    await ensure_schema(connected)
    yield connected
    await connected.close()


async def comment(stores: Stores, story_id: str, reply_to: str | None = None, comment_id: str | None = None) -> Comment:
    new = Comment(comment_id or new_id(), story_id, "bob", "text", NOON, reply_to)
    kept: Comment = await stores.comments.add(new, "ann", lambda _: True)
    return kept


async def test_waiting_writes_share_one_transaction(mongo: Mongo, commands: Counting) -> None:
    stores, story = in_mongo(mongo, lambda: NOON), new_id()
    await stores.reactions.put(an_access(story, "first"), EMOJI[0], NOON)
    commands.sent.clear()
    waiting = [
        stores.reactions.put(an_access(story, f"v{n}"), EMOJI[n % 3], NOON) for n in range(MAX_WRITES_PER_TRANSACTION)
    ]
    await asyncio.gather(*waiting, *(stores.shares.put(an_access(story, f"v{n}"), NOON) for n in range(10)))
    assert commands.sent["commitTransaction"] == 2
    assert sum(commands.sent.values()) <= 16, commands.sent
    counts = await stores.counters.counts(story)
    assert (counts.reactions, counts.shares) == (MAX_WRITES_PER_TRANSACTION + 1, 10)


async def test_unchanged_rows_commit_nothing(mongo: Mongo, commands: Counting) -> None:
    stores, story = in_mongo(mongo, lambda: NOON), new_id()
    await stores.reactions.put(an_access(story, "bob"), EMOJI[0], NOON)
    before = await mongo["engagements"].find_one({"_id": story})
    commands.sent.clear()
    await stores.reactions.put(an_access(story, "bob"), EMOJI[0], NOON)
    assert commands.sent["commitTransaction"] == 0
    assert await mongo["engagements"].find_one({"_id": story}) == before


async def test_counters_equal_the_rows_after_concurrent_writes(mongo: Mongo) -> None:
    replicas = [in_mongo(mongo, lambda: NOON) for _ in range(2)]
    story, first, tops = new_id(), replicas[0], [new_id() for _ in range(4)]
    for top in tops:
        await comment(first, story, comment_id=top)

    async def write(n: int) -> None:
        stores, viewer, top = replicas[n % 2], f"v{n % 7}", tops[n % 4]
        try:
            await stores.reactions.put(an_access(story, viewer), EMOJI[n % 3], NOON)
            await stores.shares.put(an_access(story, viewer), NOON)
            await stores.answers.put(an_access(story, viewer), POLL, Answer(n % 2), NOON)
            reply = await comment(stores, story, top)
            if n % 3 == 0:
                await stores.comments.remove(reply)
            if n % 5 == 0:
                await stores.reactions.withdraw(story, viewer, NOON)
                await stores.answers.withdraw(story, POLL.id, viewer, NOON)
            if n == 9:
                await stores.comments.remove(Comment(top, story, "bob", "text", NOON))
        except NotFound:
            assert n % 4 == 9 % 4

    await asyncio.gather(*(write(n) for n in range(40)))
    await first.user_data.erase_user("v3", NOON)
    document = await mongo["engagements"].find_one({"_id": story})
    assert document is not None
    for kind in ROW_KINDS:
        rows = await mongo[kind.collection].find({"story_id": story}).to_list(None)
        expected = sum((kind.delta_of(row) for row in rows), Counter[str]())
        assert document[kind.total] == expected[kind.total]
        if kind.breakdown:
            assert {f"{kind.breakdown}.{name}": n for name, n in document[kind.breakdown].items()} == {
                path: by for path, by in expected.items() if "." in path
            }
        if kind.parent_field:
            children = Counter(row[kind.parent_field] for row in rows)
            assert all(row[kind.child_count_field] == children[row["_id"]] for row in rows)
            assert children.keys() - {None} <= {row["_id"] for row in rows}


async def test_comment_with_many_replies_is_deleted_in_steps(mongo: Mongo) -> None:
    stores, story = in_mongo(mongo, lambda: NOON), new_id()
    top, other = await comment(stores, story), await comment(stores, story)
    row = await mongo["comments"].find_one({"_id": top.id})
    number = 2 * REMOVE_BATCH + 100
    await mongo["comments"].insert_many([{**(row or {}), "_id": new_id(), "reply_to": top.id} for _ in range(number)])
    await mongo["comments"].update_one({"_id": top.id}, {"$set": {"replies": number}})
    await mongo["engagements"].update_one({"_id": story}, {"$inc": {"comment": number}})
    assert await stores.comments.remove(top)
    assert [row["_id"] async for row in mongo["comments"].find({"story_id": story})] == [other.id]
    assert (await stores.counters.counts(story)).comments == 1

"""The ports of engagement as one bundle, in memory or in MongoDB, so that one suite can hold both to the same."""

from dataclasses import dataclass
from typing import Any

from stories_shared.clock import Clock
from stories_shared.mongo.client import Mongo

from stories_engagement.store.comments import MongoComments, MongoHiddenWords
from stories_engagement.store.engagements import MongoReactions, MongoShares
from stories_engagement.store.stories import MongoStories
from stories_engagement.store.story_counters import CounterWriter
from stories_engagement.store.users import MongoBlocks, MongoPrivacy, MongoUserErasure
from stories_engagement.store.views import MongoViews
from stories_engagement.testing.in_memory import (
    InMemoryDatabase,
    MemoryBlocks,
    MemoryComments,
    MemoryCounters,
    MemoryPeople,
    MemoryPrivacy,
    MemoryReactions,
    MemoryShares,
    MemoryStories,
    MemoryViews,
)


@dataclass(frozen=True)
class Stores:
    """Every port, whatever is behind it."""

    ledger: Any
    stories: Any
    blocks: Any
    privacy: Any
    comments: Any
    words: Any
    reactions: Any
    shares: Any
    counters: Any
    people: Any


def in_memory() -> Stores:
    """Fakes that share one shelf."""
    shelf = InMemoryDatabase()
    comments = MemoryComments(shelf)
    return Stores(
        ledger=MemoryViews(shelf),
        stories=MemoryStories(shelf),
        blocks=MemoryBlocks(shelf),
        privacy=MemoryPrivacy(shelf),
        comments=comments,
        words=comments,
        reactions=MemoryReactions(shelf),
        shares=MemoryShares(shelf),
        counters=MemoryCounters(shelf),
        people=MemoryPeople(shelf),
    )


def in_mongo(mongo: Mongo, now: Clock) -> Stores:
    """The real ones, on a database whose collections exist."""
    book = CounterWriter(mongo, now, lambda: None)
    ledger, comments, words = MongoViews(mongo, now), MongoComments(book), MongoHiddenWords(book)
    reactions, shares, privacy, blocks = (
        MongoReactions(book),
        MongoShares(book),
        MongoPrivacy(mongo),
        MongoBlocks(mongo),
    )
    mine = [each.forget for each in (book, privacy, words, blocks)]
    return Stores(
        ledger=ledger,
        stories=MongoStories(mongo, now),
        blocks=blocks,
        privacy=privacy,
        comments=comments,
        words=words,
        reactions=reactions,
        shares=shares,
        counters=book,
        people=MongoUserErasure(mongo, now, [ledger.forget_viewer, *mine]),
    )

"""The ports of engagement, in memory or on MongoDB, for one contract suite."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from stories_shared.clock import Clock
from stories_shared.mongo.client import Mongo
from stories_shared.mongo.erased_users import MongoErasedUsers

from stories_engagement.store.answers import MongoAnswers
from stories_engagement.store.blocks import MongoBlocks
from stories_engagement.store.comments import MongoComments
from stories_engagement.store.engagements import MongoReactions, MongoShares
from stories_engagement.store.erasure import MongoUserErasure
from stories_engagement.store.hidden_words import MongoHiddenWords
from stories_engagement.store.insights import MongoInsights
from stories_engagement.store.privacy import MongoPrivacy
from stories_engagement.store.reports import MongoReports
from stories_engagement.store.stories import MongoStories
from stories_engagement.store.story_counters import CounterWriter
from stories_engagement.store.views import MongoViews
from stories_engagement.store.webhooks import MongoDeliveries, MongoWebhooks
from stories_engagement.testing.in_memory import (
    FLOOR,
    MemoryAnswers,
    MemoryBlocks,
    MemoryComments,
    MemoryCounters,
    MemoryDatabase,
    MemoryInsights,
    MemoryPrivacy,
    MemoryReactions,
    MemoryShares,
    MemoryStories,
    MemoryUserErasure,
    MemoryViews,
)


@dataclass(frozen=True)
class Stores:
    """Every port, fake or real. Those that no test of a use case needs have no fake."""

    view_store: Any
    stories: Any
    blocks: Any
    privacy: Any
    comments: Any
    words: Any
    reactions: Any
    shares: Any
    answers: Any
    insights: Any
    counters: Any
    erased_users: Any
    user_data: Any
    reports: Any = None
    webhooks: Any = None
    deliveries: Any = None


def in_memory() -> Stores:
    """Fakes that share one in-memory database."""
    database = MemoryDatabase()
    comments = MemoryComments(database)
    return Stores(
        view_store=MemoryViews(database),
        stories=MemoryStories(database),
        blocks=MemoryBlocks(database),
        privacy=MemoryPrivacy(database),
        comments=comments,
        words=comments,
        reactions=MemoryReactions(database),
        shares=MemoryShares(database),
        answers=MemoryAnswers(database),
        insights=MemoryInsights(database),
        counters=MemoryCounters(database),
        erased_users=database.erased_users,
        user_data=MemoryUserErasure(database),
    )


def in_mongo(mongo: Mongo, now: Clock) -> Stores:
    """The real stores, on a database whose collections exist."""
    counter_writer = CounterWriter(mongo, now, lambda: None)
    insights = MongoInsights(mongo, FLOOR, timedelta(days=90))
    view_store = MongoViews(mongo)
    comments = MongoComments(counter_writer)
    words = MongoHiddenWords(counter_writer)
    privacy = MongoPrivacy(mongo)
    blocks = MongoBlocks(mongo)
    reports = MongoReports(mongo, comments, now)
    deliveries = MongoDeliveries(mongo)
    stores = (counter_writer, insights, privacy, words, blocks, reports, deliveries)
    return Stores(
        view_store=view_store,
        stories=MongoStories(mongo, now, insights),
        blocks=blocks,
        privacy=privacy,
        comments=comments,
        words=words,
        reactions=MongoReactions(counter_writer),
        shares=MongoShares(counter_writer),
        answers=MongoAnswers(counter_writer),
        insights=insights,
        counters=counter_writer,
        erased_users=MongoErasedUsers(mongo, now),
        user_data=MongoUserErasure(mongo, [view_store.erase_viewer, *(store.erase_user for store in stores)]),
        reports=reports,
        webhooks=MongoWebhooks(mongo),
        deliveries=deliveries,
    )

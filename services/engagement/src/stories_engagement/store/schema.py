"""Collections, indexes and retention.

A story has two counter documents: `views` for the hot path of views, `engagements` for the rest. A transaction that
inserts or deletes a row of a story also writes its counter document, and so does an ending: the two conflict, and the
one that is retried sees the result of the other. Rows of one viewer and one story have the `_id` `<story>/<viewer>`;
neither id can contain a slash.
"""

from datetime import timedelta

from pymongo import ASCENDING, DESCENDING, IndexModel
from stories_shared.mongo.client import Mongo
from stories_shared.mongo.erased_users import MongoErasedUsers
from stories_shared.mongo.idempotency import INDEXES as CLAIM_INDEXES
from stories_shared.mongo.leases import Leases
from stories_shared.mongo.outbox import outbox_index

from stories_engagement.domain.reports import AUDIT_RETENTION
from stories_engagement.store.kinds import ROW_KINDS

STORIES, VIEWS, ENGAGEMENTS = "stories", "views", "engagements"
VIEWERS, CLAIMS, EVENTS, INSIGHTS = "viewers", "claims", "events", "insights"
BLOCKS, PRIVACY, HIDDEN_WORDS = "blocks", "privacy", "hidden_words"
REPORTED, REPORTS, AUDIT = "reported", "reports", "audit"
WEBHOOKS, DELIVERIES = "webhooks", "deliveries"

MARK_RETENTION = timedelta(days=30)
"""Ended marks, lifted blocks and erased-user marks: longer than the retention of any topic."""


def row_id(story_id: str, user_id: str) -> str:
    """The `_id` of a row of one user and one story."""
    return f"{story_id}/{user_id}"


def viewing_id(story_id: str, viewer_id: str) -> str:
    """The `_id` of a viewer's row: all of one viewer are next to each other, so they need no index of their own."""
    return f"{viewer_id}/{story_id}"


def viewings_of(viewer_id: str, after: str = "") -> dict[str, str]:
    """The range of the `_id`s of a viewer's rows, after one of them. No user id contains a slash."""
    return {"$gt": after or f"{viewer_id}/", "$lt": f"{viewer_id}0"}


async def ensure_schema(mongo: Mongo) -> None:
    """Create missing collections and indexes. Transactions need the collections to exist."""
    month = int(MARK_RETENTION.total_seconds())
    ended = IndexModel([("ended", ASCENDING)], name="ended", expireAfterSeconds=month)
    await mongo.ensure(STORIES, IndexModel([("author_id", ASCENDING), ("_id", ASCENDING)], name="author"))
    orphan = IndexModel([("since", ASCENDING)], name="orphans", partialFilterExpression={"expires_at": None})
    erase_at = IndexModel([("erase_at", ASCENDING)], name="erase_at", sparse=True)
    series = IndexModel([("series_id", ASCENDING)], name="series", sparse=True)
    await mongo.ensure(VIEWS, ended, orphan, erase_at, series)
    await mongo.ensure(ENGAGEMENTS, ended, outbox_index())
    by_author = [("author_id", ASCENDING), ("posted_at", DESCENDING), ("_id", DESCENDING)]
    delete_at = IndexModel([("delete_at", ASCENDING)], name="delete_at", expireAfterSeconds=0)
    await mongo.ensure(INSIGHTS, IndexModel(by_author, name="author"), series, delete_at, outbox_index())
    await mongo.ensure(EVENTS, IndexModel([("story_id", ASCENDING)], name="story"), outbox_index())
    newest = [("story_id", ASCENDING), ("listed", ASCENDING), ("at", DESCENDING), ("viewer_id", DESCENDING)]
    await mongo.ensure(VIEWERS, IndexModel(newest, name="newest"))
    for kind in ROW_KINDS:
        by_user = IndexModel([(kind.user_field, ASCENDING), ("_id", ASCENDING)], name=kind.user_field)
        await mongo.ensure(kind.collection, by_user, *kind.indexes)
    await mongo.ensure(CLAIMS, *CLAIM_INDEXES, IndexModel([("resource_id", ASCENDING)], name="resource"))
    lifted = IndexModel([("lifted_at", ASCENDING)], name="lifted", expireAfterSeconds=month)
    sides = [IndexModel([(f"{side}_id", ASCENDING)], name=side) for side in ("user", "target")]
    await mongo.ensure(BLOCKS, lifted, *sides)
    await mongo.ensure(PRIVACY, IndexModel([("unlist_at", ASCENDING)], name="unlist_at", sparse=True))
    await Leases.ensure(mongo)
    rehide = IndexModel([("rehide", ASCENDING)], name="rehide", sparse=True)
    await mongo.ensure(HIDDEN_WORDS, rehide)
    await MongoErasedUsers.ensure(mongo)
    await ensure_reports(mongo)
    await ensure_webhooks(mongo)


async def ensure_reports(mongo: Mongo) -> None:
    """Create the collections and indexes of reports."""
    expired = IndexModel([("delete_at", ASCENDING)], name="delete_at", expireAfterSeconds=0)
    by_user = IndexModel([("user_id", ASCENDING), ("_id", ASCENDING)], name="user")
    reporter = {"reporter_id": {"$exists": True}}
    await mongo.ensure(REPORTED, by_user, expired, outbox_index())
    await mongo.ensure(
        REPORTS,
        IndexModel([("state", ASCENDING), ("_id", ASCENDING)], name="state"),
        IndexModel(
            [("target", ASCENDING), ("reporter_id", ASCENDING)],
            name="once",
            unique=True,
            partialFilterExpression=reporter,
        ),
        IndexModel([("target", ASCENDING), ("state", ASCENDING)], name="target"),
        IndexModel([("reporter_id", ASCENDING)], name="reporter", partialFilterExpression=reporter),
        expired,
    )
    kept = IndexModel([("at", ASCENDING)], name="ttl", expireAfterSeconds=int(AUDIT_RETENTION.total_seconds()))
    await mongo.ensure(AUDIT, kept, IndexModel([("user_id", ASCENDING)], name="user", sparse=True))


async def ensure_webhooks(mongo: Mongo) -> None:
    """Create the collections and indexes of webhooks. The partial indexes hold pending deliveries."""
    pending = {"next_at": {"$exists": True}}
    of_webhook = ("webhook_id", ASCENDING)
    await mongo.ensure(WEBHOOKS)
    await mongo.ensure(
        DELIVERIES,
        IndexModel(
            [of_webhook, ("next_at", ASCENDING), ("order", ASCENDING)], name="due", partialFilterExpression=pending
        ),
        IndexModel(
            [of_webhook, ("story_id", ASCENDING), ("order", ASCENDING)], name="first", partialFilterExpression=pending
        ),
        IndexModel([("first_at", ASCENDING)], name="oldest", partialFilterExpression=pending),
        IndexModel([of_webhook, ("created_at", DESCENDING), ("_id", DESCENDING)], name="newest"),
        IndexModel([("user_ids", ASCENDING)], name="users"),
        IndexModel([("delete_at", ASCENDING)], name="delete_at", expireAfterSeconds=0),
    )

"""MongoDB and S3: documents, indexes, and adapters of the use cases' ports, where their methods are described.

The planner uses a partial index only where the query implies its filter. It supports equality, comparison and
`$exists` there, but not `$type`: no query uses an index whose filter has `$type`.
"""

from pymongo import DESCENDING, IndexModel
from stories_shared.mongo.client import Document, Mongo
from stories_shared.mongo.erased_users import MongoErasedUsers
from stories_shared.mongo.idempotency import INDEXES as CLAIM_INDEXES
from stories_shared.mongo.leases import Leases
from stories_shared.mongo.outbox import outbox_index

from stories_ingest.store.documents import (
    A_TIME,
    ACCESS_EDGES,
    ARCHIVE,
    ARCHIVE_SETTINGS,
    CLAIMS,
    DELETIONS,
    ENDED,
    ENDED_RETENTION,
    HIGHLIGHTS,
    HOLDS,
    PARTITION_COUNTS,
    PAUSES,
    PUBLISH_OUTCOMES,
    QUOTAS,
    STORIES,
)
from stories_ingest.store.jobs import PROCESSING, RENDITIONS, SCHEDULED

A_TEXT = {"$gt": ""}
"""Filter of partial indexes for ids; implied by equality and `$in`."""


def partial_index(field: str, condition: Document, name: str | None = None) -> IndexModel:
    """An index of those documents whose field meets the condition."""
    return IndexModel([(field, 1)], name=name or field, partialFilterExpression={field: condition})


def author_index() -> IndexModel:
    """For pages of what an author has, newest first."""
    return IndexModel([("author_id", 1), ("_id", DESCENDING)], name="author")


async def ensure(mongo: Mongo) -> None:
    """Create missing collections and indexes. Idempotent."""
    await mongo.ensure(
        STORIES,
        author_index(),
        IndexModel([("job.since", 1), ("job.lease_until", 1)], name="jobs", partialFilterExpression=PROCESSING),
        IndexModel(
            [(f"{RENDITIONS}.since", 1), (f"{RENDITIONS}.lease_until", 1)],
            name="renditions",
            partialFilterExpression={f"{RENDITIONS}.since": A_TIME},
        ),
        IndexModel([("job.parts", 1)], name="job_parts", partialFilterExpression=PROCESSING),
        partial_index("vanishes_at", A_TIME),
        partial_index("posted.expires_at", A_TIME, "expires_at"),
        IndexModel(
            [("posted.series_id", 1), ("posted.part", 1)],
            name="series",
            partialFilterExpression={"posted.series_id": A_TEXT},
        ),
        partial_index("reposted_from.story_id", A_TEXT, "reposts"),
        IndexModel([("publish_at", 1)], name="scheduled", partialFilterExpression=SCHEDULED),
        IndexModel([("job.parts", 1), ("publish_at", 1)], name="scheduled_parts", partialFilterExpression=SCHEDULED),
        outbox_index(),
    )
    await mongo.ensure(
        ENDED,
        IndexModel([("at", 1)], name="ttl", expireAfterSeconds=int(ENDED_RETENTION.total_seconds())),
        partial_index("erase_at", A_TIME),
        partial_index("series_id", A_TEXT, "series"),
        IndexModel([("author_id", 1)], name="author"),
        outbox_index(),
    )
    await mongo.ensure(
        ARCHIVE,
        author_index(),
        partial_index("erase_at", A_TIME),
        partial_index("reposted_from.story_id", A_TEXT, "reposts"),
    )
    await mongo.ensure(HIGHLIGHTS, author_index(), IndexModel([("story_ids", 1)], name="stories"))
    await mongo.ensure(
        ACCESS_EDGES,
        IndexModel([("user_id", 1)], name="user"),
        IndexModel([("target_id", 1)], name="target"),
        IndexModel([("gone_at", 1)], name="ttl", expireAfterSeconds=int(ENDED_RETENTION.total_seconds())),
    )
    await mongo.ensure(QUOTAS, IndexModel([("lapses_at", 1)], name="ttl", expireAfterSeconds=0))
    await mongo.ensure(
        HOLDS,
        partial_index("until", A_TIME),
        partial_index("author_id", A_TEXT, "author"),
        IndexModel([("delete_at", 1)], name="ttl", expireAfterSeconds=0),
    )
    await mongo.ensure(CLAIMS, *CLAIM_INDEXES)
    await MongoErasedUsers.ensure(mongo)
    await Leases.ensure(mongo)
    for name in (ARCHIVE_SETTINGS, PARTITION_COUNTS, PUBLISH_OUTCOMES, PAUSES, DELETIONS):
        await mongo.ensure(name)

"""MongoDB and S3: documents, indexes, and adapters of the use cases' ports, where their methods are described.

The planner uses a partial index only where the query implies its filter. It supports equality, comparison and
`$exists` there, but not `$type`: no query uses an index whose filter has `$type`.
"""

from pymongo import DESCENDING, IndexModel
from stories_shared.mongo.client import Mongo
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


async def ensure(mongo: Mongo) -> None:
    """Create missing collections and indexes. Idempotent."""
    await mongo.ensure(
        STORIES,
        IndexModel([("author_id", 1), ("_id", DESCENDING)], name="author"),
        IndexModel([("job.since", 1), ("job.lease_until", 1)], name="jobs", partialFilterExpression=PROCESSING),
        IndexModel(
            [(f"{RENDITIONS}.since", 1), (f"{RENDITIONS}.lease_until", 1)],
            name="renditions",
            partialFilterExpression={f"{RENDITIONS}.since": A_TIME},
        ),
        IndexModel([("job.parts", 1)], name="job_parts", partialFilterExpression=PROCESSING),
        IndexModel([("vanishes_at", 1)], name="vanishes_at", partialFilterExpression={"vanishes_at": A_TIME}),
        IndexModel(
            [("posted.expires_at", 1)], name="expires_at", partialFilterExpression={"posted.expires_at": A_TIME}
        ),
        IndexModel(
            [("posted.series_id", 1), ("posted.part", 1)],
            name="series",
            partialFilterExpression={"posted.series_id": A_TEXT},
        ),
        IndexModel(
            [("reposted_from.story_id", 1)],
            name="reposts",
            partialFilterExpression={"reposted_from.story_id": A_TEXT},
        ),
        IndexModel([("publish_at", 1)], name="scheduled", partialFilterExpression=SCHEDULED),
        IndexModel([("job.parts", 1), ("publish_at", 1)], name="scheduled_parts", partialFilterExpression=SCHEDULED),
        outbox_index(),
    )
    await mongo.ensure(
        ENDED,
        IndexModel([("at", 1)], name="ttl", expireAfterSeconds=int(ENDED_RETENTION.total_seconds())),
        IndexModel([("erase_at", 1)], name="erase_at", partialFilterExpression={"erase_at": A_TIME}),
        IndexModel([("series_id", 1)], name="series", partialFilterExpression={"series_id": A_TEXT}),
        IndexModel([("author_id", 1)], name="author"),
        outbox_index(),
    )
    await mongo.ensure(
        ARCHIVE,
        IndexModel([("author_id", 1), ("_id", DESCENDING)], name="author"),
        IndexModel([("erase_at", 1)], name="erase_at", partialFilterExpression={"erase_at": A_TIME}),
        IndexModel(
            [("reposted_from.story_id", 1)],
            name="reposts",
            partialFilterExpression={"reposted_from.story_id": A_TEXT},
        ),
    )
    await mongo.ensure(ARCHIVE_SETTINGS)
    await mongo.ensure(
        HIGHLIGHTS,
        IndexModel([("author_id", 1), ("_id", DESCENDING)], name="author"),
        IndexModel([("story_ids", 1)], name="stories"),
    )
    await mongo.ensure(
        ACCESS_EDGES,
        IndexModel([("user_id", 1)], name="user"),
        IndexModel([("target_id", 1)], name="target"),
        IndexModel([("gone_at", 1)], name="ttl", expireAfterSeconds=int(ENDED_RETENTION.total_seconds())),
    )
    await mongo.ensure(QUOTAS, IndexModel([("lapses_at", 1)], name="ttl", expireAfterSeconds=0))
    await mongo.ensure(
        HOLDS,
        IndexModel([("until", 1)], name="until", partialFilterExpression={"until": A_TIME}),
        IndexModel([("author_id", 1)], name="author", partialFilterExpression={"author_id": A_TEXT}),
        IndexModel([("delete_at", 1)], name="ttl", expireAfterSeconds=0),
    )
    await MongoErasedUsers.ensure(mongo)
    await Leases.ensure(mongo)
    await mongo.ensure(PARTITION_COUNTS)
    await mongo.ensure(PUBLISH_OUTCOMES)
    await mongo.ensure(PAUSES)
    await mongo.ensure(DELETIONS)
    await mongo.ensure(CLAIMS, *CLAIM_INDEXES)

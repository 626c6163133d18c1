"""MongoDB and object storage: shapes of documents, indexes, and how the ports of the use cases are met."""

from pymongo import DESCENDING, IndexModel
from stories_shared.mongo import Mongo
from stories_shared.outbox import outbox_index

from stories_ingest.store.documents import ENDED, ENDED_KEPT, ERASED_USERS, QUOTAS, STORIES, TURNS, WIDTHS


def _where(field: str) -> dict[str, object]:
    """For partial indexes that hold only documents with a value there."""
    return {field: {"$exists": True, "$type": "date"}}


async def ensure(mongo: Mongo) -> None:
    """Make every collection and index that is missing. Safe to repeat."""
    await mongo.ensure(
        STORIES,
        IndexModel([("author_id", 1), ("_id", DESCENDING)], name="shelf"),
        IndexModel([("job.since", 1)], name="jobs", partialFilterExpression=_where("job.since")),
        IndexModel([("job.parts", 1)], name="job_parts", partialFilterExpression=_where("job.since")),
        IndexModel([("vanishes_at", 1)], name="vanishing", partialFilterExpression=_where("vanishes_at")),
        IndexModel([("posted.expires_at", 1)], name="ends", partialFilterExpression=_where("posted.expires_at")),
        IndexModel(
            [("posted.series_id", 1)],
            name="series",
            partialFilterExpression={"posted.series_id": {"$type": "string"}},
        ),
        outbox_index(),
    )
    await mongo.ensure(
        ENDED,
        IndexModel([("at", 1)], name="kept", expireAfterSeconds=int(ENDED_KEPT.total_seconds())),
        IndexModel([("again_at", 1)], name="again", partialFilterExpression=_where("again_at")),
        IndexModel([("series_id", 1)], name="series", partialFilterExpression={"series_id": {"$type": "string"}}),
        IndexModel([("author_id", 1)], name="author"),
        outbox_index(),
    )
    await mongo.ensure(QUOTAS, IndexModel([("lapses_at", 1)], name="lapses", expireAfterSeconds=0))
    await mongo.ensure(
        ERASED_USERS,
        IndexModel([("at", 1)], name="kept", expireAfterSeconds=int(ENDED_KEPT.total_seconds())),
        IndexModel([("again_at", 1)], name="again", partialFilterExpression=_where("again_at")),
    )
    await mongo.ensure(TURNS)
    await mongo.ensure(WIDTHS)

"""MongoDB: one document per story, from its timer to its receipt; one per request to erase a user.

The document is the timer while it has `due`, and the receipt once it has `ended`. It is also the ended mark that
prevents late writes. So firing, deleting and confirming are one update of one document each, without a transaction.
"""

from stories_shared.mongo import idempotency
from stories_shared.mongo.client import Mongo
from stories_shared.mongo.leases import Leases

from stories_expiry.store.accounts import MongoAccounts
from stories_expiry.store.replicas import MongoReplicas
from stories_expiry.store.stories import MongoStories

CLAIMS = "claims"

__all__ = ["CLAIMS", "MongoAccounts", "MongoReplicas", "MongoStories", "ensure"]


async def ensure(mongo: Mongo) -> None:
    """Create every collection and index. Idempotent."""
    await MongoStories.ensure(mongo)
    await MongoAccounts.ensure(mongo)
    await MongoReplicas.ensure(mongo)
    await Leases.ensure(mongo)
    await mongo.ensure(CLAIMS, *idempotency.INDEXES)

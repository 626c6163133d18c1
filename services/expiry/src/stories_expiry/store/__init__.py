"""MongoDB: one document per story, from its timer to its receipt; one per demand to erase a user.

The document *is* the timer while it has ``due``, and the erasure record once it has ``ended``; it is the ended mark
that guards against whatever arrives late. So firing, deleting and answering are one update of one document each, and
no transaction is needed.
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
    """Make every collection and index; idempotent."""
    await MongoStories.ensure(mongo)
    await MongoAccounts.ensure(mongo)
    await MongoReplicas.ensure(mongo)
    await Leases.ensure(mongo)
    await mongo.ensure(CLAIMS, *idempotency.INDEXES)

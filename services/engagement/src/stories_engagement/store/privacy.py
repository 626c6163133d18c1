"""Privacy settings, and the progress of removing users from lists of viewers."""

from datetime import datetime, timedelta

from stories_shared.mongo.client import Mongo
from stories_shared.mongo.data_loader import DataLoader

from stories_engagement.store.schema import PRIVACY
from stories_engagement.store.sweeps import claim_oldest
from stories_engagement.usecases.privacy import Unlisting

UNLIST_AFTER = timedelta(seconds=5)
"""When a background task takes over from the request that switched a view history off."""


class MongoPrivacy:
    """Whether users' views are listed. `off_until`: when the history was turned on again."""

    def __init__(self, mongo: Mongo) -> None:
        self._privacy = mongo[PRIVACY]
        self._loader = DataLoader(self._privacy, {"view_history": 1})

    async def listed(self, user_id: str) -> bool:
        """Whether a user's views are listed from now on; the default is true."""
        document = await self._loader.get(user_id)
        return document is None or bool(document["view_history"])

    async def set_listed(self, user_id: str, listed: bool, at: datetime) -> None:
        """Turn a user's view history on or off."""
        if not listed:
            off = {"view_history": False, "at": at, "unlist_at": at + UNLIST_AFTER}
            change = {"$set": off, "$unset": {"off_until": "", "unlisted_to": ""}}
            await self._privacy.update_one({"_id": user_id}, change, upsert=True)
            return
        back_on = {"$set": {"view_history": True, "at": at, "off_until": at}}
        await self._privacy.update_one({"_id": user_id, "view_history": False}, back_on)

    async def claim_unlisting(self, now: datetime, until: datetime) -> Unlisting | None:
        """Lease the oldest user who is to be unlisted until `until`."""
        claimed = await claim_oldest(self._privacy, "unlist_at", now, until)
        if claimed is None:
            return None
        # Turned on again meanwhile: what was viewed until then stays unlisted.
        last: datetime = claimed.get("off_until") or claimed["at"]
        return Unlisting(claimed["_id"], claimed["at"], last, claimed.get("unlisted_to", ""))

    async def keep_progress(self, work: Unlisting, now: datetime) -> None:
        """Store the progress and release the lease, behind the others."""
        progress = {"unlist_at": now, "unlisted_to": work.after}
        await self._privacy.update_one({"_id": work.user_id, "at": work.at}, {"$set": progress})

    async def unlisted(self, work: Unlisting) -> None:
        """Record that a user is unlisted, unless the setting has changed since."""
        done = {"unlist_at": "", "unlisted_to": ""}
        await self._privacy.update_one({"_id": work.user_id, "at": work.at}, {"$unset": done})

    async def erase_user(self, user_id: str, until: datetime) -> None:
        """Delete a user's setting if it was made up to a time."""
        await self._privacy.delete_one({"_id": user_id, "at": {"$lte": until}})

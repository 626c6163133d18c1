"""Erasure of users from every collection."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from stories_shared.mongo.client import Mongo

from stories_engagement.store.schema import CLAIMS

EraseUserRows = Callable[[str, datetime], Awaitable[None]]


class MongoUserErasure:
    """Erases all data of users."""

    def __init__(self, mongo: Mongo, erasers: Sequence[EraseUserRows]) -> None:
        self._claims = mongo[CLAIMS]
        self._erasers = erasers

    async def erase_user(self, user_id: str, until: datetime) -> None:
        """Delete all data of a user up to a time."""
        for erase in self._erasers:
            await erase(user_id, until)
        await self._claims.delete_many({"user_id": user_id, "at": {"$lte": until}})

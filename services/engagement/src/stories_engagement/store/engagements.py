"""Reactions and shares: a row per viewer and story, counted by the story's document in the book."""

from collections.abc import Mapping
from datetime import datetime

from stories_shared.mongo import Session

from stories_engagement.store.book import Book, Change
from stories_engagement.store.shapes import ENGAGEMENTS, REACTIONS, SHARES, row_id
from stories_engagement.usecases.admission import Admitted


class MongoReactions:
    """One reaction per viewer and story. A withdrawn one leaves its row, so that withdrawing can be repeated."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._rows = book.mongo[REACTIONS]

    async def put(self, admitted: Admitted, emoji: str, at: datetime) -> None:
        """Set a viewer's reaction. Raises `Gone`."""
        await self._set(admitted.story_id, admitted.user_id, admitted.author_id, emoji, at)

    async def withdraw(self, story_id: str, user_id: str, at: datetime) -> bool:
        """Take a viewer's reaction back; False if there never was one. Raises `Gone`."""
        row = await self._rows.find_one({"_id": row_id(story_id, user_id)})
        if row is None:
            return False
        await self._set(story_id, user_id, None, None, at)
        return True

    async def counts(self, story_id: str) -> Mapping[str, int]:
        """How many of each, most first."""
        document = await self._book.mongo[ENGAGEMENTS].find_one({"_id": story_id}, {"emoji": 1})
        emoji: Mapping[str, int] = (document or {}).get("emoji", {})
        return dict(sorted(emoji.items(), key=lambda item: (-item[1], item[0])))

    async def mine(self, story_id: str, user_id: str) -> str | None:
        """A viewer's own reaction."""
        row = await self._rows.find_one({"_id": row_id(story_id, user_id)})
        return row["emoji"] if row else None

    async def forget(self, user_id: str, until: datetime) -> None:
        """Take away all reactions that a person set up to a time."""
        wanted = {"viewer_id": user_id, "at": {"$lte": until}}
        for row in await self._rows.find(wanted, {"story_id": 1}).to_list(None):

            async def verb(session: Session, row_id: str = row["_id"]) -> tuple[Change | None, None]:
                old = await self._rows.find_one_and_delete({"_id": row_id, "at": {"$lte": until}}, session=session)
                if old is None:
                    return None, None
                return moved(old["emoji"], None), None

            await self._book.write_if_live(row["story_id"], verb)

    async def _set(self, story_id: str, user_id: str, author_id: str | None, emoji: str | None, at: datetime) -> None:
        async def verb(session: Session) -> tuple[Change | None, None]:
            key = {"_id": row_id(story_id, user_id)}
            old = await self._rows.find_one(key, session=session)
            before = old["emoji"] if old else None
            if before == emoji:
                return None, None
            row = {"story_id": story_id, "viewer_id": user_id, "emoji": emoji, "at": at}
            await self._rows.replace_one(key, row, upsert=True, session=session)
            return moved(before, emoji), None

        await self._book.write(story_id, author_id, verb)


def moved(before: str | None, after: str | None) -> Change:
    """What changing a reaction changes."""
    change = Change(totals={"reaction": (after is not None) - (before is not None)})
    for text, by in ((before, -1), (after, 1)):
        if text is not None:
            change.emoji[text] = change.emoji.get(text, 0) + by
    return change


class MongoShares:
    """Who shared a story, once each."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._rows = book.mongo[SHARES]

    async def put(self, admitted: Admitted, at: datetime) -> None:
        """Count a viewer's share, the first time. Raises `Gone`."""

        async def verb(session: Session) -> tuple[Change | None, None]:
            key = {"_id": row_id(admitted.story_id, admitted.user_id)}
            if await self._rows.find_one(key, session=session):
                return None, None
            row = {**key, "story_id": admitted.story_id, "viewer_id": admitted.user_id, "at": at}
            await self._rows.insert_one(row, session=session)
            return Change({"share": 1}), None

        await self._book.write(admitted.story_id, admitted.author_id, verb)

    async def forget(self, user_id: str, until: datetime) -> None:
        """Take away all shares of a person up to a time."""
        wanted = {"viewer_id": user_id, "at": {"$lte": until}}
        for row in await self._rows.find(wanted, {"story_id": 1}).to_list(None):

            async def verb(session: Session, row_id: str = row["_id"]) -> tuple[Change | None, None]:
                gone = await self._rows.delete_one({"_id": row_id}, session=session)
                return (Change({"share": -1}) if gone.deleted_count else None), None

            await self._book.write_if_live(row["story_id"], verb)

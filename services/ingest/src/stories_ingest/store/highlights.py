"""Highlights in MongoDB."""

from collections.abc import Collection
from dataclasses import dataclass

from pymongo import DESCENDING
from stories_shared.mongo.client import Document, Mongo, Session

from stories_ingest.domain.archive import ArchivedStory
from stories_ingest.domain.errors import NotArchived
from stories_ingest.domain.highlights import Highlight
from stories_ingest.store.archive import KEPT, archived_of
from stories_ingest.store.documents import ARCHIVE, HIGHLIGHTS, highlight_document, highlight_of


@dataclass(frozen=True, slots=True)
class MongoHighlights:
    """The `HighlightRepository`."""

    mongo: Mongo

    async def find(self, highlight_id: str) -> Highlight | None:
        document = await self.mongo[HIGHLIGHTS].find_one({"_id": highlight_id})
        return highlight_of(document) if document else None

    async def page(self, author_id: str, before: str | None, limit: int) -> list[Highlight]:
        query: Document = {"author_id": author_id}
        if before is not None:
            query["_id"] = {"$lt": before}
        found = self.mongo[HIGHLIGHTS].find(query, sort=[("_id", DESCENDING)], limit=limit)
        return [highlight_of(document) for document in await found.to_list(None)]

    async def put(self, highlight: Highlight) -> None:
        """Store a highlight. Raises NotArchived.

        Writes to the archived stories, so that a removal of one either finds the highlight or prevents it.
        """
        ids = list(highlight.story_ids)
        own = {"_id": {"$in": ids}, "author_id": highlight.author_id, **KEPT}

        async def write(session: Session) -> None:
            written = await self.mongo[ARCHIVE].update_many(own, {"$inc": {"highlighted": 1}}, session=session)
            if written.matched_count < len(ids):
                found = await self.mongo[ARCHIVE].find(own, {"_id": 1}, session=session).to_list(None)
                kept = {document["_id"] for document in found}
                raise NotArchived(next(index for index, story_id in enumerate(ids) if story_id not in kept))
            document = highlight_document(highlight)
            await self.mongo[HIGHLIGHTS].replace_one({"_id": highlight.id}, document, upsert=True, session=session)

        await self.mongo.transaction(write)

    async def delete(self, author_id: str, highlight_id: str) -> bool:
        deleted = await self.mongo[HIGHLIGHTS].delete_one({"_id": highlight_id, "author_id": author_id})
        return bool(deleted.deleted_count)

    async def posters(self, story_ids: Collection[str], viewer_id: str | None) -> dict[str, str]:
        """Keys of the posters of those archived stories that the viewer may see; None may see all.

        The rule is `domain.highlights.may_see`, as a query: up to thousands of stories are asked for a page.
        """
        query: Document = {"_id": {"$in": list(story_ids)}, **KEPT}
        if viewer_id is not None:
            open_to = {"choices.audience": "everyone", "choices.hide_from": {"$ne": viewer_id}}
            query["$or"] = [{"author_id": viewer_id}, open_to]
        found = self.mongo[ARCHIVE].find(query, {"posted.media.poster_key": 1})
        return {each["_id"]: each["posted"]["media"]["poster_key"] for each in await found.to_list(None)}

    async def archived(self, story_ids: Collection[str]) -> dict[str, ArchivedStory]:
        found = self.mongo[ARCHIVE].find({"_id": {"$in": list(story_ids)}, **KEPT})
        return {document["_id"]: archived_of(document) for document in await found.to_list(None)}

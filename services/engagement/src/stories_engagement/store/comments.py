"""Comments: kept, hung on each other, hidden by an author's words, counted by the story's engagements document."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from pymongo import ASCENDING, DESCENDING, UpdateOne
from stories_shared.mongo import Document, Session

from stories_engagement.domain.comments import Comment
from stories_engagement.domain.errors import Gone
from stories_engagement.store.book import Book, Change
from stories_engagement.store.shapes import COMMENTS, ENGAGEMENTS, HIDDEN_WORDS, STORIES
from stories_engagement.usecases.comments import Hides, Position

AT_ONCE = 500
"""Comments that one transaction goes through when words change."""


STORIES_AT_ONCE = 10
"""Stories of an author that are gone through at the same time."""


class MongoComments:
    """Keeps comments. `own`: the text itself has a hidden word; `hidden`: it has, or the one it hangs on has."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._mongo = book.mongo
        self._comments = book.mongo[COMMENTS]

    async def add(self, comment: Comment, author_id: str, hides: Hides, visible: Callable[[Comment], bool]) -> Comment:
        """Keep a comment. Raises `Gone` where the story has ended or its writer cannot see what it replies to."""

        async def verb(session: Session) -> tuple[Change | None, Comment]:
            again = await self._comments.find_one({"_id": comment.id}, session=session)
            if again is not None:
                return None, comment_of(again)
            top = None
            if comment.reply_to is not None:
                top = await self._top(comment.story_id, comment.reply_to, visible, session)
            words = await self._mongo[HIDDEN_WORDS].find_one({"_id": author_id}, session=session)
            own = hides(words["words"] if words else ())
            document = {
                "_id": comment.id,
                "story_id": comment.story_id,
                "writer_id": comment.writer_id,
                "text": comment.text,
                "at": comment.created_at,
                "reply_to": top["_id"] if top else None,
                "replies": 0,
                "own": own,
                "hidden": own or bool(top and top["hidden"]),
            }
            await self._comments.insert_one(document, session=session)
            shown = not document["hidden"]
            if top and shown:
                await self._comments.update_one({"_id": top["_id"]}, {"$inc": {"replies": 1}}, session=session)
            return Change({"comment": int(shown)}), comment_of(document)

        return await self._book.write(comment.story_id, author_id, verb)

    async def get(self, comment_id: str) -> Comment | None:
        """A comment by its id."""
        document = await self._comments.find_one({"_id": comment_id})
        return comment_of(document) if document else None

    async def author_of(self, story_id: str) -> str | None:
        """Whose story it is, as far as a ticket or an event has told."""
        document = await self._mongo[ENGAGEMENTS].find_one({"_id": story_id}, {"author_id": 1})
        return document["author_id"] if document else None

    async def remove(self, comment: Comment) -> bool:
        """Delete a comment and its replies; False where it is not there (any more)."""

        async def verb(session: Session) -> tuple[Change | None, bool]:
            document = await self._comments.find_one_and_delete({"_id": comment.id}, session=session)
            if document is None:
                return None, False
            shown = int(not document["hidden"])
            if document["reply_to"] is None:
                replies = {"story_id": comment.story_id, "reply_to": comment.id}
                shown += await self._comments.count_documents({**replies, "hidden": False}, session=session)
                await self._comments.delete_many(replies, session=session)
            elif shown:
                top = {"_id": document["reply_to"]}
                await self._comments.update_one(top, {"$inc": {"replies": -1}}, session=session)
            return Change({"comment": -shown}), True

        try:
            return await self._book.write(comment.story_id, None, verb)
        except Gone:
            return False

    async def page(self, story_id: str, reply_to: str | None, after: Position | None, limit: int) -> list[Comment]:
        """Top comments newest first, or replies oldest first, whoever may see them."""
        wanted: Document = {"story_id": story_id, "reply_to": reply_to}
        way, beyond = (DESCENDING, "$lt") if reply_to is None else (ASCENDING, "$gt")
        if after is not None:
            at, comment_id = after
            wanted["$or"] = [{"at": {beyond: at}}, {"at": at, "_id": {beyond: comment_id}}]
        found = self._comments.find(wanted, sort=[("at", way), ("_id", way)], limit=limit)
        return [comment_of(document) for document in await found.to_list(None)]

    async def forget(self, user_id: str, until: datetime) -> None:
        """Take away all comments of a person up to a time, with their replies."""
        wanted = {"writer_id": user_id, "at": {"$lte": until}}
        for document in await self._comments.find(wanted).to_list(None):
            await self.remove(comment_of(document))

    async def _top(
        self, story_id: str, comment_id: str, visible: Callable[[Comment], bool], session: Session
    ) -> Document:
        found = await self._comments.find_one({"_id": comment_id, "story_id": story_id}, session=session)
        if found is None or not visible(comment_of(found)):
            raise Gone
        if found["reply_to"] is None:
            return found
        top = await self._comments.find_one({"_id": found["reply_to"]}, session=session)
        if top is None:
            raise Gone
        return top


class MongoHiddenWords:
    """Authors' hidden words. Changing them goes through the comments under the author's live stories.

    Each step writes the story's engagements document, so a comment written meanwhile is judged by the new words or
    gone through.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self._mongo = book.mongo
        self._words = book.mongo[HIDDEN_WORDS]
        self._comments = book.mongo[COMMENTS]

    async def words(self, author_id: str) -> tuple[str, ...]:
        """An author's words, as they wrote them."""
        document = await self._words.find_one({"_id": author_id}, {"words": 1})
        return tuple(document["words"]) if document else ()

    async def set_words(self, author_id: str, words: Sequence[str], at: datetime) -> None:
        """Keep an author's words, to be applied by `rehide`."""
        document = {"words": list(words), "at": at, "rehide": at}
        await self._words.replace_one({"_id": author_id}, document, upsert=True)

    async def rehide(self, author_id: str, hides: Callable[[Sequence[str], str], bool]) -> None:
        """Hide and show the comments under an author's live stories by the words that are kept now."""
        kept = await self._words.find_one({"_id": author_id})
        if kept is None:
            return
        stories = await self._mongo[STORIES].find({"author_id": author_id}, {"_id": 1}).to_list(None)
        for start in range(0, len(stories), STORIES_AT_ONCE):
            some = stories[start : start + STORIES_AT_ONCE]
            await asyncio.gather(*(self._rehide_story(story["_id"], author_id, hides) for story in some))
        await self._words.update_one({"_id": author_id, "rehide": kept["rehide"]}, {"$unset": {"rehide": ""}})

    async def unfinished(self, before: datetime, limit: int) -> list[str]:
        """Authors whose change of words was made before then and not applied to the end."""
        wanted = {"rehide": {"$lt": before}}
        return [author["_id"] for author in await self._words.find(wanted, {"_id": 1}, limit=limit).to_list(None)]

    async def forget(self, user_id: str, until: datetime) -> None:
        """Take away a person's words, if they were set up to a time."""
        await self._words.delete_one({"_id": user_id, "at": {"$lte": until}})

    async def _rehide_story(self, story_id: str, author_id: str, hides: Callable[[Sequence[str], str], bool]) -> None:
        after: Position | None = None
        while (after := await self._go_through(story_id, author_id, hides, after)) is not None:
            continue

    async def _go_through(
        self, story_id: str, author_id: str, hides: Callable[[Sequence[str], str], bool], after: Position | None
    ) -> Position | None:
        """One step over a story's comments, oldest first, so that a top one comes before what hangs on it."""

        async def verb(session: Session) -> tuple[Change | None, Position | None]:
            kept = await self._words.find_one({"_id": author_id}, session=session)
            words = kept["words"] if kept else ()
            wanted: Document = {"story_id": story_id}
            if after is not None:
                at, comment_id = after
                wanted["$or"] = [{"at": {"$gt": at}}, {"at": at, "_id": {"$gt": comment_id}}]
            way = [("at", ASCENDING), ("_id", ASCENDING)]
            found = await self._comments.find(wanted, sort=way, limit=AT_ONCE, session=session).to_list(None)
            tops = {document["reply_to"] for document in found} - {None}
            hanging = await self._comments.find({"_id": {"$in": sorted(tops)}}, session=session).to_list(None)
            hidden = {document["_id"]: document["hidden"] for document in hanging}
            replies: dict[str, int] = {}
            writes: list[UpdateOne] = []
            shown = 0
            for document in found:
                own, top = hides(words, document["text"]), document["reply_to"]
                now_hidden = hidden[document["_id"]] = own or hidden.get(top, False)
                if (own, now_hidden) != (document["own"], document["hidden"]):
                    writes.append(UpdateOne({"_id": document["_id"]}, {"$set": {"own": own, "hidden": now_hidden}}))
                by = document["hidden"] - now_hidden
                shown += by
                if top and by:
                    replies[top] = replies.get(top, 0) + by
            writes += [UpdateOne({"_id": top}, {"$inc": {"replies": by}}) for top, by in replies.items()]
            if writes:
                await self._comments.bulk_write(writes, session=session)
            last = (found[-1]["at"], found[-1]["_id"]) if len(found) == AT_ONCE else None
            return Change({"comment": shown}), last

        try:
            return await self._book.write(story_id, author_id, verb)
        except Gone:
            return None


def comment_of(document: Document) -> Comment:
    """A comment as it was kept."""
    return Comment(
        id=document["_id"],
        story_id=document["story_id"],
        writer_id=document["writer_id"],
        text=document["text"],
        created_at=document["at"],
        reply_to=document["reply_to"],
        replies=document["replies"],
        hidden=document["hidden"],
    )

"""Comments: kept, hung on each other, hidden by an author's words, counted by the story's engagements document."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from pymongo import ASCENDING, DESCENDING, UpdateOne
from stories_shared.ids import new_id
from stories_shared.mongo import Document, Loader, Session

from stories_engagement.domain.comments import Comment
from stories_engagement.domain.errors import Gone
from stories_engagement.store.book import Book, Change, Verb
from stories_engagement.store.shapes import COMMENTS, ENGAGEMENTS, HIDDEN_WORDS, STORIES
from stories_engagement.usecases.comments import HasHidden, Position
from stories_engagement.usecases.people import Hides, Rehiding

AT_ONCE = 500
"""Comments that one transaction goes through when words change."""


class MongoComments:
    """Keeps comments. `own`: the text itself has a hidden word; `hidden`: it has, or the one it hangs on has."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._mongo = book.mongo
        self._comments = book.mongo[COMMENTS]

    async def add(
        self, comment: Comment, author_id: str, hides: HasHidden, visible: Callable[[Comment], bool]
    ) -> Comment:
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
    """Authors' hidden words. Changing them goes through the comments under the author's live stories, by their ids.

    `rehide` is when somebody may go on with it. Each step writes the story's engagements document, so a comment that is
    written meanwhile is judged by the new words or gone through; and it keeps how far it is, so that another replica
    can go on from there, and that who applies an older change stops.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self._mongo = book.mongo
        self._words = book.mongo[HIDDEN_WORDS]
        self._comments = book.mongo[COMMENTS]
        self._loader = Loader(self._words, {"words": 1, "rehide": 1})

    async def words(self, author_id: str) -> tuple[str, ...]:
        """An author's words, as they wrote them."""
        document = await self._words.find_one({"_id": author_id}, {"words": 1})
        return tuple(document["words"]) if document else ()

    async def unapplied(self, author_id: str) -> tuple[str, ...] | None:
        """An author's words while not all comments are judged by them; otherwise None."""
        document = await self._loader.get(author_id)
        return tuple(document["words"]) if document and "rehide" in document else None

    async def set_words(self, author_id: str, words: Sequence[str], at: datetime) -> None:
        """Keep an author's words, to be applied to the comments that are there."""
        document = {"words": list(words), "at": at, "rehide": at, "change": new_id()}
        await self._words.replace_one({"_id": author_id}, document, upsert=True)

    async def claim(self, now: datetime, until: datetime) -> Rehiding | None:
        """The change that has waited longest, for this replica alone until then."""
        claimed = await self._words.find_one_and_update(
            {"rehide": {"$lte": now}}, {"$set": {"rehide": until}}, sort=[("rehide", ASCENDING)]
        )
        if claimed is None:
            return None
        return Rehiding(
            author_id=claimed["_id"],
            change=claimed["change"],
            words=tuple(claimed["words"]),
            story_id=claimed.get("story_id"),
            comment_id=claimed.get("comment_id"),
        )

    async def apply_some(self, work: Rehiding, hides: Hides, until: datetime) -> Rehiding | None:
        """One step: some comments of the story it is at, or the way to the next story; None: nothing is left to do."""
        if work.story_id is not None:
            try:
                at = await self._book.write(work.story_id, work.author_id, self._step(work, hides, until))
            except Gone:
                at = ""
            if at is None:
                return None
            if at:
                return replace(work, comment_id=at)
        wanted: Document = {"author_id": work.author_id}
        if work.story_id is not None:
            wanted["_id"] = {"$gt": work.story_id}
        story = await self._mongo[STORIES].find_one(wanted, {"_id": 1}, sort=[("_id", ASCENDING)])
        if story is None:
            done = {"rehide": "", "story_id": "", "comment_id": ""}
            await self._words.update_one(named(work), {"$unset": done})
            return None
        onward = {"$set": {"story_id": story["_id"], "rehide": until}, "$unset": {"comment_id": ""}}
        kept = await self._words.update_one(named(work), onward)
        return replace(work, story_id=story["_id"], comment_id=None) if kept.matched_count else None

    async def give_back(self, work: Rehiding, now: datetime) -> None:
        """Let whoever has waited longest come first."""
        await self._words.update_one(named(work), {"$set": {"rehide": now}})

    async def forget(self, user_id: str, until: datetime) -> None:
        """Take away a person's words, if they were set up to a time."""
        await self._words.delete_one({"_id": user_id, "at": {"$lte": until}})

    def _step(self, work: Rehiding, hides: Hides, until: datetime) -> Verb[str | None]:
        """Judges some comments; the id of the last one, empty where the story is done, None where the change is old."""

        async def verb(session: Session) -> tuple[Change | None, str | None]:
            wanted: Document = {"story_id": work.story_id}
            if work.comment_id is not None:
                wanted["_id"] = {"$gt": work.comment_id}
            found = await self._comments.find(
                wanted, sort=[("_id", ASCENDING)], limit=AT_ONCE, session=session
            ).to_list(None)
            last = found[-1]["_id"] if len(found) == AT_ONCE else ""
            how_far = {"$set": {"rehide": until, **({"comment_id": last} if last else {})}}
            kept = await self._words.update_one(named(work), how_far, session=session)
            if not kept.matched_count:
                return None, None
            tops = {document["reply_to"] for document in found} - {None}
            texts = {document["_id"]: document["text"] for document in found}
            if missing := sorted(tops - texts.keys()):
                hanging = self._comments.find({"_id": {"$in": missing}}, {"text": 1}, session=session)
                texts |= {document["_id"]: document["text"] for document in await hanging.to_list(None)}
            own = {comment_id: hides(work.words, text) for comment_id, text in texts.items()}
            replies: Counter[str] = Counter()
            writes: list[UpdateOne] = []
            shown = 0
            for document in found:
                comment_id, top = document["_id"], document["reply_to"]
                hidden = own[comment_id] or own.get(top, False)
                if (own[comment_id], hidden) != (document["own"], document["hidden"]):
                    change = {"$set": {"own": own[comment_id], "hidden": hidden}}
                    writes.append(UpdateOne({"_id": comment_id}, change))
                by = document["hidden"] - hidden
                shown += by
                if top and by:
                    replies[top] += by
            writes += [UpdateOne({"_id": top}, {"$inc": {"replies": by}}) for top, by in replies.items()]
            if writes:
                await self._comments.bulk_write(writes, session=session)
            return Change({"comment": shown}), last

        return verb


def named(work: Rehiding) -> Document:
    """The author's document, as long as it holds this change."""
    return {"_id": work.author_id, "change": work.change}


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

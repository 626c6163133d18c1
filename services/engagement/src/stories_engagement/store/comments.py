"""Comments: kept, hung on each other, hidden by an author's words, counted by the story's engagements document."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from pymongo import ASCENDING, DESCENDING
from stories_shared.events.ids import new_id
from stories_shared.mongo.client import DataLoader, Document

from stories_engagement.domain.comments import Comment
from stories_engagement.domain.errors import NotFound
from stories_engagement.store.kinds import COMMENT, COMMENTS
from stories_engagement.store.schema import ENGAGEMENTS, HIDDEN_WORDS, STORIES
from stories_engagement.store.story_counters import CounterWriter
from stories_engagement.store.units import Key, Rows
from stories_engagement.store.writes import RemoveRow
from stories_engagement.usecases.comments import HasHidden, Position
from stories_engagement.usecases.hidden_words import Hides, Rehiding

AT_ONCE = 500
"""Comments that one transaction goes through when words change."""


class MongoComments:
    """Keeps comments. `own`: the text itself has a hidden word; `hidden`: it has, or the one it hangs on has."""

    def __init__(self, counter_writer: CounterWriter) -> None:
        self._counter_writer = counter_writer
        self._mongo = counter_writer.mongo
        self._comments = counter_writer.mongo[COMMENTS]

    async def add(
        self, comment: Comment, author_id: str, hides: HasHidden, visible: Callable[[Comment], bool]
    ) -> Comment:
        """Keep a comment. Raises `NotFound` where the story has ended or its writer cannot see what it replies to."""

        write = WriteComment(comment, author_id, hides, visible)
        return await self._counter_writer.write(comment.story_id, author_id, write)

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

        try:
            return await self._counter_writer.remove(RemoveRow(COMMENT, comment.id, comment.story_id))
        except NotFound:
            return False

    async def page(self, story_id: str, reply_to: str | None, after: Position | None, limit: int) -> list[Comment]:
        """Top comments newest first, or replies oldest first, whoever may see them."""
        query: Document = {"story_id": story_id, "reply_to": reply_to}
        way, beyond = (DESCENDING, "$lt") if reply_to is None else (ASCENDING, "$gt")
        if after is not None:
            at, comment_id = after
            query["$or"] = [{"at": {beyond: at}}, {"at": at, "_id": {beyond: comment_id}}]
        found = self._comments.find(query, sort=[("at", way), ("_id", way)], limit=limit)
        return [comment_of(document) for document in await found.to_list(None)]


@dataclass(slots=True)
class WriteComment:
    """Keep a comment as the author's words are now, hung on the top one of what it replies to."""

    comment: Comment
    author_id: str
    hides: HasHidden
    visible: Callable[[Comment], bool]
    alone: bool = field(default=False, init=False)

    def needs(self, rows: Rows) -> Iterable[Key]:
        """The comment itself where it was written before, the author's words, what it replies to, and the top of it."""
        yield COMMENTS, self.comment.id
        yield HIDDEN_WORDS, self.author_id
        reply_to = self.comment.reply_to
        if reply_to is not None:
            yield COMMENTS, reply_to
            found = rows.get(COMMENTS, reply_to) if rows.loaded(COMMENTS, reply_to) else None
            if found is not None and found["reply_to"] is not None:
                yield COMMENTS, found["reply_to"]

    async def search(self, rows: Rows) -> None:
        """Nothing."""

    def apply(self, rows: Rows) -> Comment:
        """Write it. Raises `NotFound` where its writer cannot see what it replies to."""
        again = rows.get(COMMENTS, self.comment.id)
        if again is not None:
            return comment_of(again)
        top = self._top(rows)
        words = rows.get(HIDDEN_WORDS, self.author_id)
        own = self.hides(words["words"] if words else ())
        document = {
            "_id": self.comment.id,
            "story_id": self.comment.story_id,
            "writer_id": self.comment.writer_id,
            "text": self.comment.text,
            "at": self.comment.created_at,
            "reply_to": top["_id"] if top else None,
            "replies": 0,
            "own": own,
            "hidden": own or bool(top and top["hidden"]),
        }
        rows.put(COMMENTS, document)
        if top and not document["hidden"]:
            rows.put(COMMENTS, {**top, "replies": top["replies"] + 1})
        return comment_of(document)

    def _top(self, rows: Rows) -> Document | None:
        if self.comment.reply_to is None:
            return None
        found = rows.get(COMMENTS, self.comment.reply_to)
        if found is None or found["story_id"] != self.comment.story_id or not self.visible(comment_of(found)):
            raise NotFound
        top = found if found["reply_to"] is None else rows.get(COMMENTS, found["reply_to"])
        if top is None:
            raise NotFound
        return top


class MongoHiddenWords:
    """Authors' hidden words. Changing them goes through the comments under the author's live stories, by their ids.

    `rehide` is when somebody may go on with it. Each step writes the story's engagements document, so a comment that is
    written meanwhile is judged by the new words or gone through; and it keeps how far it is, so that another replica
    can go on from there, and that who applies an older change stops.
    """

    def __init__(self, counter_writer: CounterWriter) -> None:
        self._counter_writer = counter_writer
        self._mongo = counter_writer.mongo
        self._words = counter_writer.mongo[HIDDEN_WORDS]
        self._comments = counter_writer.mongo[COMMENTS]
        self._loader = DataLoader(self._words, {"words": 1, "rehide": 1})

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
                rule = RehideComments(work, work.story_id, hides, until)
                at = await self._counter_writer.write(work.story_id, work.author_id, rule)
            except NotFound:
                at = ""
            if at is None:
                return None
            if at:
                return replace(work, comment_id=at)
        query: Document = {"author_id": work.author_id}
        if work.story_id is not None:
            query["_id"] = {"$gt": work.story_id}
        story = await self._mongo[STORIES].find_one(query, {"_id": 1}, sort=[("_id", ASCENDING)])
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


@dataclass(slots=True)
class RehideComments:
    """Judge some comments of a story by an author's words, and keep how far that is.

    Its outcome is the id of the last one, empty where the story is done, None where the words have changed since.
    """

    work: Rehiding
    story_id: str
    hides: Hides
    until: datetime
    found: list[str] = field(default_factory=list)
    alone: bool = field(default=True, init=False)

    def needs(self, _rows: Rows) -> Iterable[Key]:
        """The author's words."""
        return [(HIDDEN_WORDS, self.work.author_id)]

    async def search(self, rows: Rows) -> None:
        """The comments that are next, and what they hang on."""
        query: Document = {"story_id": self.story_id}
        if self.work.comment_id is not None:
            query["_id"] = {"$gt": self.work.comment_id}
        self.found = await rows.find(COMMENTS, query, AT_ONCE)
        tops = [rows.document(COMMENTS, comment_id)["reply_to"] for comment_id in self.found]
        await rows.load((COMMENTS, top) for top in tops if top is not None)

    def apply(self, rows: Rows) -> str | None:
        """Judge them."""
        kept = rows.get(HIDDEN_WORDS, self.work.author_id)
        if kept is None or kept["change"] != self.work.change:
            return None
        last = self.found[-1] if len(self.found) == AT_ONCE else ""
        rows.put(HIDDEN_WORDS, {**kept, "rehide": self.until, **({"comment_id": last} if last else {})})
        for comment_id in self.found:
            before = rows.document(COMMENTS, comment_id)
            top = rows.get(COMMENTS, before["reply_to"]) if before["reply_to"] is not None else None
            own = self.hides(self.work.words, before["text"])
            hidden = own or (top is not None and self.hides(self.work.words, top["text"]))
            rows.put(COMMENTS, {**before, "own": own, "hidden": hidden})
            if top is not None and hidden != before["hidden"]:
                rows.put(COMMENTS, {**top, "replies": top["replies"] + before["hidden"] - hidden})
        return last


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

"""Comments, counted in the story's engagements document."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec
from pymongo import ASCENDING, DESCENDING
from stories_shared.mongo.client import Document

from stories_engagement.domain.comments import Comment
from stories_engagement.domain.errors import NotFound
from stories_engagement.domain.hidden_words import contains_hidden_word
from stories_engagement.store.kinds import COMMENT, COMMENTS
from stories_engagement.store.paging import rows_after
from stories_engagement.store.rows import Key, Rows
from stories_engagement.store.schema import ENGAGEMENTS, HIDDEN_WORDS
from stories_engagement.store.story_counters import CounterWriter
from stories_engagement.store.writes import RemoveRow, Write
from stories_engagement.usecases.paging import Position


class MongoComments:
    """Stores comments. `own`: the text itself contains a hidden word; `hidden`: it does, or its parent does."""

    def __init__(self, counter_writer: CounterWriter) -> None:
        self._counter_writer = counter_writer
        self._mongo = counter_writer.mongo
        self._comments = counter_writer.mongo[COMMENTS]

    async def add(self, comment: Comment, author_id: str, visible: Callable[[Comment], bool]) -> Comment:
        """Store a comment. Raises `NotFound` where the story has ended or its writer cannot see the parent."""
        write = PutComment(comment, author_id, visible)
        return await self._counter_writer.write(comment.story_id, author_id, write)

    async def get(self, comment_id: str) -> Comment | None:
        """A comment by its id."""
        document = await self._comments.find_one({"_id": comment_id})
        return comment_of(document) if document else None

    async def author_of(self, story_id: str) -> str | None:
        """The author of the story, if a ticket or an event has named it."""
        document = await self._mongo[ENGAGEMENTS].find_one({"_id": story_id}, {"author_id": 1})
        return document["author_id"] if document else None

    async def remove(self, comment: Comment) -> bool:
        """Delete a comment and its replies; False where it does not exist (any more)."""
        try:
            return await self._counter_writer.remove(RemoveRow(COMMENT, comment.id, comment.story_id))
        except NotFound:
            return False

    async def page(self, story_id: str, reply_to: str | None, after: Position | None, limit: int) -> list[Comment]:
        """Top-level comments newest first, or replies oldest first, hidden ones included."""
        query: Document = {"story_id": story_id, "reply_to": reply_to}
        query |= rows_after(after, "at", "_id", newest_first=reply_to is None)
        direction = DESCENDING if reply_to is None else ASCENDING
        found = self._comments.find(query, sort=[("at", direction), ("_id", direction)], limit=limit)
        return [comment_of(document) for document in await found.to_list(None)]


@dataclass(slots=True)
class PutComment(Write[Comment]):
    """Store a comment under the top-level comment of its parent, hidden by the author's current words."""

    comment: Comment
    author_id: str
    visible: Callable[[Comment], bool]

    def needs(self, rows: Rows) -> Iterable[Key]:
        """The comment itself if it exists, the author's words, the parent, and its top-level comment."""
        yield COMMENTS, self.comment.id
        yield HIDDEN_WORDS, self.author_id
        reply_to = self.comment.reply_to
        if reply_to is not None:
            yield COMMENTS, reply_to
            found = rows.get(COMMENTS, reply_to) if rows.loaded(COMMENTS, reply_to) else None
            if found is not None and found["reply_to"] is not None:
                yield COMMENTS, found["reply_to"]

    def apply(self, rows: Rows) -> Comment:
        """Write it. Raises `NotFound` where its writer cannot see the parent."""
        existing = rows.get(COMMENTS, self.comment.id)
        if existing is not None:
            return comment_of(existing)
        top = self._top(rows)
        words = rows.get(HIDDEN_WORDS, self.author_id)
        own = contains_hidden_word(words["words"] if words else (), self.comment.text)
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


def comment_of(document: Document) -> Comment:
    """The comment in a document."""
    return msgspec.convert(document | {"id": document["_id"], "created_at": document["at"]}, Comment)

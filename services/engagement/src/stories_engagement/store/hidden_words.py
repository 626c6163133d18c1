"""Hidden words of authors, and their application to the comments on live stories."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec
from pymongo import ASCENDING
from stories_shared.events.ids import new_id
from stories_shared.mongo.client import Document
from stories_shared.mongo.data_loader import DataLoader

from stories_engagement.domain.errors import NotFound
from stories_engagement.domain.hidden_words import contains_hidden_word
from stories_engagement.store.kinds import COMMENTS
from stories_engagement.store.rows import Key, Rows
from stories_engagement.store.schema import HIDDEN_WORDS, STORIES
from stories_engagement.store.story_counters import CounterWriter
from stories_engagement.store.sweeps import claim_oldest
from stories_engagement.store.writes import Write
from stories_engagement.usecases.hidden_words import Rehiding

REHIDE_BATCH = 500
"""Comments updated in one transaction when words change."""


class MongoHiddenWords:
    """Authors' hidden words. A change is applied to the comments on the author's live stories in order of ids.

    `rehide` is when a replica may lease the change. Each step writes the story's engagements document, so a concurrent
    new comment is hidden by the new words or updated later. Each step also stores the progress, so that another replica
    can continue, and a replica that applies an older change stops.
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
        """An author's words while they are not applied to all comments; otherwise None."""
        document = await self._loader.get(author_id)
        return tuple(document["words"]) if document and "rehide" in document else None

    async def set_words(self, author_id: str, words: Sequence[str], at: datetime) -> None:
        """Store an author's words, to be applied to existing comments."""
        document = {"words": list(words), "at": at, "rehide": at, "change": new_id()}
        await self._words.replace_one({"_id": author_id}, document, upsert=True)

    async def claim(self, now: datetime, until: datetime) -> Rehiding | None:
        """Lease the oldest unapplied change until `until`."""
        claimed = await claim_oldest(self._words, "rehide", now, until)
        return msgspec.convert(claimed | {"author_id": claimed["_id"]}, Rehiding) if claimed else None

    async def apply_some(self, work: Rehiding, until: datetime) -> Rehiding | None:
        """One step: a batch of comments of the current story, or the next story; None: applied or outdated."""
        if work.story_id is not None:
            try:
                write = RehideComments(work, work.story_id, until)
                last_id = await self._counter_writer.write(work.story_id, work.author_id, write)
            except NotFound:
                last_id = ""
            if last_id is None:
                return None
            if last_id:
                return replace(work, comment_id=last_id)
        query: Document = {"author_id": work.author_id}
        if work.story_id is not None:
            query["_id"] = {"$gt": work.story_id}
        story = await self._mongo[STORIES].find_one(query, {"_id": 1}, sort=[("_id", ASCENDING)])
        if story is None:
            done = {"rehide": "", "story_id": "", "comment_id": ""}
            await self._words.update_one(of_change(work), {"$unset": done})
            return None
        next_story = {"$set": {"story_id": story["_id"], "rehide": until}, "$unset": {"comment_id": ""}}
        updated = await self._words.update_one(of_change(work), next_story)
        return replace(work, story_id=story["_id"], comment_id=None) if updated.matched_count else None

    async def give_back(self, work: Rehiding, now: datetime) -> None:
        """Release the lease, behind the other changes."""
        await self._words.update_one(of_change(work), {"$set": {"rehide": now}})

    async def erase_user(self, user_id: str, until: datetime) -> None:
        """Delete a user's words if they were set up to a time."""
        await self._words.delete_one({"_id": user_id, "at": {"$lte": until}})


@dataclass(slots=True)
class RehideComments(Write[str | None]):
    """Apply an author's words to a batch of comments of a story, and store the progress.

    The result is the id of the last comment, empty where the story is done, None where the words have changed since.
    """

    work: Rehiding
    story_id: str
    until: datetime
    found: list[str] = field(default_factory=list)

    @property
    def alone(self) -> bool:
        """It searches for comments."""
        return True

    def needs(self, _rows: Rows) -> Iterable[Key]:
        """The author's words."""
        return [(HIDDEN_WORDS, self.work.author_id)]

    async def search(self, rows: Rows) -> None:
        """The next comments and their parents."""
        query: Document = {"story_id": self.story_id}
        if self.work.comment_id is not None:
            query["_id"] = {"$gt": self.work.comment_id}
        self.found = await rows.find(COMMENTS, query, REHIDE_BATCH)
        tops = [rows.document(COMMENTS, comment_id)["reply_to"] for comment_id in self.found]
        await rows.load((COMMENTS, top) for top in tops if top is not None)

    def apply(self, rows: Rows) -> str | None:
        """Update them."""
        stored = rows.get(HIDDEN_WORDS, self.work.author_id)
        if stored is None or stored["change"] != self.work.change:
            return None
        last = self.found[-1] if len(self.found) == REHIDE_BATCH else ""
        rows.put(HIDDEN_WORDS, {**stored, "rehide": self.until, **({"comment_id": last} if last else {})})
        for comment_id in self.found:
            before = rows.document(COMMENTS, comment_id)
            top = rows.get(COMMENTS, before["reply_to"]) if before["reply_to"] is not None else None
            own = contains_hidden_word(self.work.words, before["text"])
            hidden = own or (top is not None and contains_hidden_word(self.work.words, top["text"]))
            rows.put(COMMENTS, {**before, "own": own, "hidden": hidden})
            if top is not None and hidden != before["hidden"]:
                rows.put(COMMENTS, {**top, "replies": top["replies"] + before["hidden"] - hidden})
        return last


def of_change(work: Rehiding) -> Document:
    """Filter for the author's document while it holds this change."""
    return {"_id": work.author_id, "change": work.change}

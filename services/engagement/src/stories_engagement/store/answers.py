"""Answers to stickers: a row per viewer and layer, counted in the story's engagements document."""

from collections.abc import Mapping, Sequence, Set
from datetime import datetime

from pymongo import DESCENDING
from stories_shared.mongo.client import Document

from stories_engagement.domain.answers import Answer, AnswerableLayer, GivenAnswer, Tallies
from stories_engagement.store.kinds import ANSWER, ANSWERS, answer_key
from stories_engagement.store.paging import rows_after
from stories_engagement.store.schema import ENGAGEMENTS, row_id
from stories_engagement.store.story_counters import CounterWriter
from stories_engagement.store.writes import PutRow
from stories_engagement.usecases.access import StoryAccess
from stories_engagement.usecases.paging import Position


class MongoAnswers:
    """One answer per viewer and layer. A withdrawn one leaves an empty row, so that a quiz stays final."""

    def __init__(self, counter_writer: CounterWriter) -> None:
        self._counter_writer = counter_writer
        self._rows = counter_writer.mongo[ANSWERS]

    async def put(self, access: StoryAccess, layer: AnswerableLayer, answer: Answer, at: datetime) -> Answer | None:
        """Set a viewer's answer; the stored one afterwards, None where it was withdrawn. Raises `NotFound`."""
        row = answer_row(access.story_id, layer.id, access.user_id, answer, at)
        await self._counter_writer.write(access.story_id, access.author_id, PutRow(ANSWER, row, once=layer.is_final))
        if not layer.is_final:
            return answer
        stored = await self._rows.find_one({"_id": row["_id"]})
        return answer_in(stored) if stored is not None and stored["given"] else None

    async def withdraw(self, story_id: str, layer_id: str, user_id: str, at: datetime) -> bool:
        """Withdraw a viewer's answer; False if there never was one. Raises `NotFound`."""
        row = answer_row(story_id, layer_id, user_id, None, at)
        if await self._rows.find_one({"_id": row["_id"]}, {"_id": 1}) is None:
            return False
        await self._counter_writer.write(story_id, None, PutRow(ANSWER, row))
        return True

    async def tallies(self, story_id: str, layers: Sequence[AnswerableLayer]) -> Mapping[str, Tallies]:
        """The tallies by layer."""
        document = await self._counter_writer.mongo[ENGAGEMENTS].find_one({"_id": story_id}, {"answers": 1})
        return tallies_in(document or {}, layers)

    async def page(
        self, story_id: str, layer_id: str, after: Position | None, limit: int, excluded: Set[str]
    ) -> list[GivenAnswer]:
        """Answers to a layer, newest first, without excluded users."""
        query: Document = {"story_id": story_id, "layer_id": layer_id, "given": True}
        query |= rows_after(after, "at", "viewer_id")
        if excluded:
            query["viewer_id"] = {"$nin": sorted(excluded)}
        found = self._rows.find(query, sort=[("at", DESCENDING), ("viewer_id", DESCENDING)], limit=limit)
        return [GivenAnswer(row["viewer_id"], answer_in(row), row["at"]) for row in await found.to_list(None)]


def answer_row(story_id: str, layer_id: str, user_id: str, answer: Answer | None, at: datetime) -> Document:
    """The row of an answer; None: withdrawn."""
    return {
        "_id": row_id(f"{story_id}/{layer_id}", user_id),
        "story_id": story_id,
        "layer_id": layer_id,
        "viewer_id": user_id,
        "given": answer is not None,
        "option": answer.option if answer else None,
        "text": answer.text if answer else None,
        "at": at,
    }


def answer_in(row: Document) -> Answer:
    """The answer in a row."""
    return Answer(row["option"], row["text"])


def tallies_in(document: Document, layers: Sequence[AnswerableLayer]) -> dict[str, Tallies]:
    """The tallies in a story's engagements document."""
    counts = document.get("answers", {})
    return {
        layer.id: tuple(counts.get(answer_key(layer.id, choice), 0) for choice in range(layer.choices))
        for layer in layers
    }

"""Insights: read from the counter documents of live stories, and sealed in the transaction in which a story expires."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta

import msgspec
from pymongo import DESCENDING
from stories_shared.events import LayerTallies, PartViewers, Reach, StoryInsightsSealed, TapSums
from stories_shared.events.ids import deterministic_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.mongo.client import Document, Mongo, Session
from stories_shared.mongo.erased_users import COLLECTION as ERASED_USERS
from stories_shared.mongo.outbox import pending_mark

from stories_engagement.domain.answers import AnswerableLayer
from stories_engagement.domain.insights import (
    TOTALLED,
    DropOff,
    Insights,
    LayerFigures,
    Totals,
    completion_rate,
    mean_watch_ms,
)
from stories_engagement.domain.views import SUMS
from stories_engagement.store.answers import tallies_in
from stories_engagement.store.engagements import by_frequency
from stories_engagement.store.paging import rows_after
from stories_engagement.store.schema import ENGAGEMENTS, INSIGHTS, STORIES, VIEWS
from stories_engagement.store.sweeps import DELETE_BATCH, delete_some
from stories_engagement.usecases.insights import Period, sealed_insights
from stories_engagement.usecases.paging import Position

STORY = dict.fromkeys(("author_id", "posted_at", "expires_at", "series_id", "part", "layers"), 1)
"""Fields of a story that insights need, without its content."""


class MongoInsights:
    """Reads insights, and seals them. A sealed record names nobody but the author whom it belongs to."""

    def __init__(
        self, mongo: Mongo, floor: int, retention: timedelta, on_sealed: Callable[[int], None] = lambda _: None
    ) -> None:
        self._mongo = mongo
        self._floor = floor
        self._retention = retention
        self.on_sealed = on_sealed
        self._sealed = mongo[INSIGHTS]

    async def live(self, story_id: str) -> Insights | None:
        """The figures of a story that is stored and has not ended."""
        found = await self._figures([story async for story in self._mongo[STORIES].find({"_id": story_id}, STORY)])
        return found[0] if found else None

    async def live_of(self, author_id: str, limit: int) -> Sequence[Insights]:
        """The figures of an author's stored stories that have not ended."""
        found = self._mongo[STORIES].find({"author_id": author_id}, STORY, limit=limit)
        return await self._figures(await found.to_list(None))

    async def sealed(self, story_id: str) -> Insights | None:
        """The sealed figures of a story."""
        document = await self._sealed.find_one({"_id": story_id})
        return insights_from(document) if document else None

    async def sealed_page(
        self, author_id: str, period: Period, without: Collection[str], after: Position | None, limit: int
    ) -> Sequence[Insights]:
        """The sealed figures of an author's stories, the newest story first."""
        query = of_period(author_id, period, without) | rows_after(after, "posted_at", "_id")
        found = self._sealed.find(query, sort=[("posted_at", DESCENDING), ("_id", DESCENDING)], limit=limit)
        return [insights_from(document) for document in await found.to_list(None)]

    async def sealed_totals(self, author_id: str, period: Period, without: Collection[str]) -> Totals:
        """The totals of an author's sealed stories: one record is read for each story, none for a viewer."""
        sums = {name: {"$sum": f"${name}"} for name in TOTALLED}
        group = {"$group": {"_id": None, "stories": {"$sum": 1}, **sums}}
        found = await self._mongo.aggregate(self._sealed, [{"$match": of_period(author_id, period, without)}, group])
        return Totals(**{name: value for name, value in found[0].items() if name != "_id"}) if found else Totals()

    async def parts(self, series_ids: Collection[str]) -> Mapping[str, DropOff]:
        """Viewers by part of each series: of live parts from their counters, of expired ones from their records."""
        if not series_ids:
            return {}
        query, fields = {"series_id": {"$in": sorted(series_ids)}}, {"series_id": 1, "part": 1, "viewers": 1}
        live, sealed = await asyncio.gather(
            *(self._mongo[name].find(query, fields).to_list(None) for name in (VIEWS, INSIGHTS))
        )
        found: dict[str, dict[int, int]] = defaultdict(dict)
        for document in (*live, *sealed):
            found[document["series_id"]][document["part"]] = document["viewers"]
        return found

    async def seal(
        self,
        story_ids: Collection[str],
        views: Mapping[str, Document],
        engagements: Mapping[str, Document],
        at: datetime,
        session: Session,
    ) -> int:
        """Store the figures of stories that expire now, to be published; how many have a known author."""
        found = self._mongo[STORIES].find({"_id": {"$in": list(story_ids)}}, STORY, session=session)
        stories = {story["_id"]: story for story in await found.to_list(None)}
        known: list[Document] = []
        for story_id in story_ids:
            sources = [each[story_id] for each in (stories, views, engagements) if story_id in each]
            author_id = next((each["author_id"] for each in sources if each["author_id"] is not None), None)
            if author_id is not None:
                since = views.get(story_id, {}).get("since", at)
                new = {"_id": story_id, "author_id": author_id, "posted_at": since}
                known.append(stories.get(story_id, new))
        if not known:
            return 0
        authors = {"_id": {"$in": list({story["author_id"] for story in known})}}
        marks = await self._mongo[ERASED_USERS].find(authors, {"at": 1}, session=session).to_list(None)
        erased = {mark["_id"]: mark["at"] for mark in marks}
        documents = [
            document_of(
                sealed_insights(
                    insights_of(story, views.get(story["_id"], {}), engagements.get(story["_id"], {})), at, self._floor
                )
            )
            | {"delete_at": at + self._retention, "pending": pending_mark(1, at)}
            for story in known
            if story["author_id"] not in erased or erased[story["author_id"]] < story["posted_at"]
        ]
        if documents:
            await self._sealed.insert_many(documents, session=session)
        return len(documents)

    async def delete(self, story_ids: Collection[str], session: Session) -> None:
        """Delete the records of stories that were deleted after they had expired."""
        await self._sealed.delete_many({"_id": {"$in": list(story_ids)}}, session=session)

    async def erase_user(self, user_id: str, until: datetime) -> None:
        """Delete a user's records of stories posted up to a time, in bounded steps."""
        query = {"author_id": user_id, "posted_at": {"$lte": until}}
        while await delete_some(self._sealed, query, DELETE_BATCH) == DELETE_BATCH:
            continue

    async def _figures(self, stories: Sequence[Document]) -> list[Insights]:
        if not stories:
            return []
        query = {"_id": {"$in": [story["_id"] for story in stories]}}
        found = await asyncio.gather(*(self._mongo[name].find(query).to_list(None) for name in (VIEWS, ENGAGEMENTS)))
        views, engagements = ({document["_id"]: document for document in documents} for documents in found)
        return [
            insights_of(story, views.get(story["_id"], {}), engagements.get(story["_id"], {}))
            for story in stories
            if not views.get(story["_id"], {}).get("ended")
        ]


def insights_of(story: Document, views: Document, engagements: Document) -> Insights:
    """The figures in a story's counter documents."""
    layers = msgspec.convert(story.get("layers", ()), tuple[AnswerableLayer, ...])
    sums = views.get("sums", {})
    tallies = tallies_in(engagements, layers)
    return Insights(
        story_id=story["_id"],
        author_id=story["author_id"],
        posted_at=story["posted_at"],
        expires_at=story.get("expires_at"),
        series_id=story.get("series_id"),
        part=story.get("part", 1),
        viewers=views.get("viewers", 0),
        plays=views.get("plays", 0),
        **{name: sums.get(name, 0) for name in SUMS},
        reactions=engagements.get("reaction", 0),
        emoji=by_frequency(engagements.get("emoji", {})),
        comments=engagements.get("comment", 0),
        shares=engagements.get("share", 0),
        answered=engagements.get("answer", 0),
        layers=tuple(LayerFigures(layer.id, layer.kind, tallies[layer.id]) for layer in layers),
    )


SCALARS = ("author_id", "posted_at", "sealed_at", "part", "followers", *TOTALLED)


def document_of(insights: Insights) -> Document:
    """The document of a sealed record. Emoji are values, not field names, so that the fields are fixed."""
    emoji = insights.emoji
    document: Document = {"_id": insights.story_id, **{name: getattr(insights, name) for name in SCALARS}}
    document["emoji"] = None if emoji is None else [{"emoji": name, "count": n} for name, n in emoji.items()]
    document["layers"] = [asdict(layer) for layer in insights.layers]
    if insights.series_id is not None:
        document["series_id"] = insights.series_id
    return document


def insights_from(document: Document) -> Insights:
    """The sealed figures in a document."""
    emoji = None if document["emoji"] is None else {each["emoji"]: each["count"] for each in document["emoji"]}
    return msgspec.convert(document | {"story_id": document["_id"], "emoji": emoji}, Insights)


def of_period(author_id: str, period: Period, without: Collection[str]) -> Document:
    """Filter for the records of an author's stories of a period, without some of them."""
    query: Document = {"author_id": author_id, "posted_at": {"$gte": period.begin, "$lt": period.end}}
    return {**query, "_id": {"$nin": sorted(without)}} if without else query


def insight_events(document: Document) -> list[OutgoingEvent]:
    """The event of a sealed record; its id is the same whenever the relay publishes it again."""
    insights = insights_from(document)
    event = StoryInsightsSealed(
        story_id=insights.story_id,
        sealed_at=document["sealed_at"],
        series_id=insights.series_id,
        part=insights.part,
        reach=Reach(total=insights.viewers, followers=insights.followers, others=insights.others),
        plays=insights.plays,
        completion_rate=completion_rate(insights),
        mean_watch_ms=mean_watch_ms(insights),
        taps=TapSums(forward=insights.forward, back=insights.back, exit=insights.exit),
        drop_off=own_part(insights),
        reactions=None if insights.emoji is None else dict(insights.emoji),
        comments=insights.comments,
        shares=insights.shares,
        answers=tuple(LayerTallies(**asdict(layer)) for layer in insights.layers),
    )
    return [OutgoingEvent(event, deterministic_id(f"{event.topic}/{event.story_id}"), event.sealed_at)]


def own_part(insights: Insights) -> tuple[PartViewers, ...] | None:
    """The viewers of the story's own part: the others have records of their own. None where they are too few."""
    return None if insights.followers is None else (PartViewers(part=insights.part, viewers=insights.viewers),)

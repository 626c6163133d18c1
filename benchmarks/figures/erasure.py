"""Erasure of many stories at once, and of one with many viewers, beside bare deletes of the same rows and objects."""

import asyncio
import tempfile
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from stories_embedded.testing import IsolatedNamespace
from stories_ingest.domain.story import Story
from stories_ingest.settings import IngestSettings
from stories_ingest.store.documents import story_document
from stories_ingest.testing.builders import live
from stories_ingest.usecases.event_mapping import story_posted
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events import StoryDeleted
from stories_shared.events.cloudevents import SERVICES
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.kafka.publisher import Publisher
from stories_shared.mongo.client import Document
from stories_shared.s3.objects import Objects
from stories_shared.testing import eventually

from ..bench import Bench
from ..engagement import viewer_rows
from ..registry import figure
from ..results import Bound, Result, Sample, compare, percentiles
from ..services import Running, insert, publishing, services, settings_of

STORIES, VIEWERS, POPULAR, OTHERS = 1_000, 100, 1_000_000, 20
ROUNDS, ROUNDS_POPULAR = 3, 2
UPLOADS = 16
NOTE = "rows and stories written straight into MongoDB, their events published, then deletions published"


@figure("erasure")
async def erasure(bench: Bench) -> Sequence[Result]:
    """Stories that are deleted at once until their receipts are complete, beside bare deletes of the same."""
    number, viewers = bench.plan.scaled(STORIES, 20), bench.plan.many(POPULAR)
    times: list[float] = []
    delayed: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "object").write_bytes(b"x" * 1_000)
        async with services(bench, *SERVICES) as (namespace, running), publishing(namespace, "ingest") as publisher:
            erasing = Erasing(namespace, dict(running), publisher, Path(folder) / "object")
            for name in (VIEWED, DOCUMENTS):
                await erasing.running["engagement"].mongo.ensure(name)
            await erasing.running["engagement"].mongo[VIEWED].create_index("story_id")

            async def many() -> Sample:
                stories = await erasing.stories(number, VIEWERS)
                took = await erasing.end(stories)
                times.extend(took)
                return Sample(number / max(took))

            async def bare() -> Sample:
                return Sample(number / await erasing.bare(number, VIEWERS))

            async def popular() -> Sample:
                stories = await erasing.stories(1, viewers)
                others = await erasing.stories(OTHERS, VIEWERS)
                ends = asyncio.create_task(erasing.end(stories))
                await asyncio.sleep(0.1)
                delayed.extend(await erasing.end(others))
                return Sample(1 / max(await ends))

            async def bare_popular() -> Sample:
                return Sample(1 / await erasing.bare(1, viewers))

            deleting = partial(
                compare, unit="stories/s", plan=bench.plan, peer="bare deletes of the same rows and objects",
                at_least=1 / 3, warm_up=False,
            )  # fmt: skip
            at_once = await deleting(
                f"erasure-{number}-stories", measure=many, limit=bare, rounds=ROUNDS,
                note=f"{VIEWERS} viewers each; {NOTE}",
            )  # fmt: skip
            one = await deleting(
                f"erasure-{viewers}-viewers", measure=popular, limit=bare_popular, rounds=ROUNDS_POPULAR,
                note=f"one story, and {OTHERS} others; {NOTE}",
            )  # fmt: skip
    p50, p99 = percentiles(times)
    other = percentiles(delayed)[1]
    return [
        at_once.within(Bound("p50 to receipt ms", p50, 2_000.0), Bound("p99 to receipt ms", p99, 2_000.0)),
        one.within(Bound("p99 of the others ms", other, 2_000.0)),
    ]


VIEWED, DOCUMENTS = "bare_viewers", "bare_documents"


@dataclass
class Erasing:
    """The four services, and stories to end."""

    namespace: IsolatedNamespace
    running: dict[str, Running]
    publisher: Publisher
    file: Path

    def __post_init__(self) -> None:
        settings = settings_of("ingest", self.namespace)
        assert isinstance(settings, IngestSettings)
        self.objects = Objects.of(settings, None)

    async def stories(self, number: int, viewers: int) -> list[Story]:
        """Live stories with so many viewers each, which every service has consumed."""
        now = truncate_to_ms(system_now())
        stories = [live(f"author{n}", now, timedelta(hours=6)) for n in range(number)]
        await insert(self.running["ingest"].mongo["stories"], ({"_id": s.id, **story_document(s)} for s in stories))
        await self.upload([key for story in stories if story.posted for key in story.posted.media.keys])
        await self.publisher.publish_all([OutgoingEvent(story_posted(story)) for story in stories])
        ids = [story.id for story in stories]
        for name in ("feed", "engagement", "expiry"):
            await self.found(name, {"_id": {"$in": ids}}, number)
        await insert(self.running["engagement"].mongo["viewers"], viewer_rows(ids, viewers))
        return stories

    async def end(self, stories: Sequence[Story]) -> list[float]:
        """Delete all of them at once; the seconds from then to each receipt."""
        at, ids = truncate_to_ms(system_now()), [story.id for story in stories]
        deletions = [StoryDeleted(story_id=s.id, author_id=s.author_id, deleted_at=at, by="author") for s in stories]
        await self.publisher.publish_all([OutgoingEvent(deletion) for deletion in deletions])
        complete = {"_id": {"$in": ids}, "completed_at": {"$exists": True}}
        await self.found("expiry", complete, len(ids))
        found = self.running["expiry"].mongo["stories"].find(complete, {"completed_at": 1})
        return [(document["completed_at"] - at).total_seconds() async for document in found]

    async def bare(self, number: int, viewers: int) -> float:
        """The seconds that the same rows, documents and objects take to delete, without anything else."""
        mongo, ids = self.running["engagement"].mongo, [f"story{n}" for n in range(number)]
        keys = [f"bare/{story}/{name}" for story in ids for name in ("media.mp4", "poster.jpg")]
        documents = [f"{name}/{story}" for story in ids for name in SERVICES]
        await insert(mongo[VIEWED], viewer_rows(ids, viewers))
        await insert(mongo[DOCUMENTS], ({"_id": each, "text": "x" * 1_000} for each in documents))
        await self.upload(keys)
        began = time.monotonic()
        for story in ids:
            await mongo[VIEWED].delete_many({"story_id": story})
        await mongo[DOCUMENTS].delete_many({"_id": {"$in": documents}})
        for first in range(0, len(keys), 1_000):
            await self.objects.remove(*keys[first : first + 1_000])
        return time.monotonic() - began

    async def upload(self, keys: Collection[str]) -> None:
        """Put small objects."""
        slots = asyncio.Semaphore(UPLOADS)

        async def put(key: str) -> None:
            async with slots:
                await self.objects.put_file(key, self.file, "video/mp4")

        await asyncio.gather(*map(put, keys))

    async def found(self, service: str, query: Document, number: int) -> None:
        """Wait until so many of a service's stories match."""
        stories = self.running[service].mongo["stories"]
        await eventually(lambda: stories.count_documents(query), 300, accept=lambda seen: seen >= number)

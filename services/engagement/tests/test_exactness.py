"""Counts are exact under replays, aborts, endings and erasures, with two consumers of the same views."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.errors import PyMongoError
from stories_embedded.testing import Realm, Servers
from stories_engagement.domain.recent_plays import RecentPlays
from stories_engagement.store.schema import ensure_schema
from stories_engagement.testing.builders import NOON, a_record, a_story
from stories_engagement.testing.stores import Stores, in_mongo
from stories_engagement.usecases.stories import StoreStories
from stories_engagement.usecases.views import CountViews
from stories_shared.errors import MONGODB, failed_dependency
from stories_shared.events import StoryViewed
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.ids import new_id
from stories_shared.mongo.client import Mongo

SECONDS = 20
LATER = NOON + timedelta(seconds=SECONDS + 1)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stores(servers: Servers) -> AsyncIterator[Stores]:
    realm = Realm(servers)
    mongo = Mongo.connect(realm["MONGO_URL"], realm["MONGO_DATABASE"])
    await ensure_schema(mongo)
    yield in_mongo(mongo, lambda: LATER)
    await mongo.close()
    await realm.remove()


@dataclass(frozen=True)
class Deliver:
    """Deliver one batch to one consumer, perhaps aborted."""

    consumer: int
    batch: int
    aborted: bool


@dataclass(frozen=True)
class End:
    """A story ends."""

    story: int


@dataclass(frozen=True)
class Erase:
    """A user is erased up to a second."""

    viewer: int
    second: int


BATCHES, STORIES, VIEWERS = 4, 2, 4
seconds = st.integers(0, SECONDS)
views = st.tuples(st.integers(0, STORIES - 1), st.integers(0, VIEWERS - 1), st.integers(0, 5), seconds)
batches = st.lists(st.lists(views, min_size=1, max_size=12), min_size=BATCHES, max_size=BATCHES)
deliveries = st.builds(Deliver, st.integers(0, 1), st.integers(0, BATCHES - 1), st.booleans())
actions = st.one_of(
    deliveries,
    deliveries,
    deliveries,
    st.builds(End, st.integers(0, STORIES - 1)),
    st.builds(Erase, st.integers(0, VIEWERS - 1), seconds),
)
rounds = st.lists(st.lists(actions, min_size=1, max_size=6), min_size=1, max_size=5)


@dataclass
class Model:
    """Two consumers of one log, and a model of the expected counts."""

    stores: Stores
    log: list[list[ReceivedEvent[StoryViewed]]]
    stories: list[str]
    viewers: list[str]
    ended: dict[str, tuple[int, int] | None] = field(default_factory=dict)
    erased: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.consumers = [CountViews(self.stores.view_store, RecentPlays(), lambda: LATER) for _ in range(2)]

    async def act(self, action: Deliver | End | Erase) -> None:
        """Act as a consumer does: retry while MongoDB is unavailable."""
        while True:
            try:
                return await self.try_(action)
            except PyMongoError as error:
                if failed_dependency(error) is None:
                    raise

    def try_(self, action: Deliver | End | Erase) -> Awaitable[None]:
        if isinstance(action, Deliver):
            return self.deliver(action)
        return self.end(self.stories[action.story]) if isinstance(action, End) else self.erase(action)

    async def deliver(self, action: Deliver) -> None:
        work = asyncio.ensure_future(self.consumers[action.consumer](self.log[action.batch]))
        if action.aborted:
            await asyncio.sleep(0.003)
            work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work

    async def end(self, story_id: str) -> None:
        self.ended.setdefault(story_id, None)
        await self.stores.stories.end(story_id, "deleted")
        await self.stores.stories.erase(story_id, 10)

    async def erase(self, action: Erase) -> None:
        viewer = self.viewers[action.viewer]
        self.erased[viewer] = max(action.second, self.erased.get(viewer, -1))
        at = NOON + timedelta(seconds=action.second)
        until = await self.stores.erased_users.mark_erased(viewer, at, LATER)
        await self.stores.erased_users.erase_user(viewer, until)

    def expected(self, story_id: str) -> tuple[int, int]:
        """Viewers and plays expected after every batch; the first report sets the time of a play."""
        plays: dict[tuple[str, str | None], int] = {}
        for record in [record for batch in self.log for record in batch]:
            event, second = record.event, int((record.event.viewed_at - NOON).total_seconds())
            if event.story_id == story_id and second > self.erased.get(event.viewer_id, -1):
                plays.setdefault((event.viewer_id, event.play_id), second)
        return len({viewer for viewer, _ in plays}), len(plays)

    async def check(self) -> None:
        for story_id in self.stories:
            counts = await self.stores.counters.counts(story_id)
            page = await self.stores.view_store.page(story_id, None, 100, frozenset())
            listed = len(page.viewers), sum(viewer.plays for viewer in page.viewers)
            if story_id in self.ended:
                frozen = self.ended[story_id] or (counts.viewers, counts.views)
                assert (counts.viewers, counts.views) == frozen
                self.ended[story_id] = frozen
                assert listed == (0, 0)
            else:
                assert (counts.viewers, counts.views) == listed == (page.total, listed[1])


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(batches=batches, rounds=rounds)
async def test_counts_are_exact_under_replays_aborts_endings_and_erasures(
    stores: Stores, batches: list[list[tuple[int, int, int, int]]], rounds: list[list[Deliver | End | Erase]]
) -> None:
    stories = [a_story(posted_at=NOON) for _ in range(STORIES)]
    viewers = [f"v{n}-{new_id()}" for n in range(VIEWERS)]
    at_of: dict[tuple[int, int, int], int] = {}
    log = [
        [
            a_record(
                StoryViewed(
                    story_id=stories[story].story_id,
                    viewer_id=viewers[viewer],
                    play_id=f"play-{play:04}",
                    viewed_at=NOON + timedelta(seconds=at_of.setdefault((story, viewer, play), second)),
                )
            )
            for story, viewer, play, second in batch
        ]
        for batch in batches
    ]
    model = Model(stores, log, [story.story_id for story in stories], viewers)
    await StoreStories(stores.stories)([a_record(story) for story in stories])
    for concurrent in rounds:
        await asyncio.gather(*(model.act(action) for action in concurrent))
        await model.check()
    await asyncio.gather(*(model.act(Deliver(c, b, False)) for b in range(BATCHES) for c in range(2)))
    await model.check()
    for story_id in model.stories:
        if story_id not in model.ended:
            counts = await stores.counters.counts(story_id)
            assert (counts.viewers, counts.views) == model.expected(story_id)


CUTS, PEOPLE = 40, 20


async def test_aborted_batch_counts_once_after_redelivery(stores: Stores) -> None:
    story = a_story(posted_at=NOON)
    await StoreStories(stores.stories)([a_record(story)])

    def batch() -> list[ReceivedEvent[StoryViewed]]:
        views = (
            StoryViewed(story_id=story.story_id, viewer_id=f"v-{new_id()}", play_id="play-0001", viewed_at=NOON)
            for _ in range(PEOPLE)
        )
        return [a_record(view) for view in views]

    async def count(records: list[ReceivedEvent[StoryViewed]]) -> None:
        outcome: object = MONGODB
        while outcome == MONGODB:
            outcome = None
            try:
                await CountViews(stores.view_store, RecentPlays(), lambda: LATER)(records)
            except PyMongoError as error:
                outcome = failed_dependency(error) or error
        assert outcome is None

    began = time.monotonic()
    await count(batch())
    duration = time.monotonic() - began
    for cut in range(CUTS):
        records = batch()
        work = asyncio.ensure_future(count(records))
        await asyncio.sleep(duration * cut / CUTS)
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
        await count(records)
    counts = await stores.counters.counts(story.story_id)
    page = await stores.view_store.page(story.story_id, None, 1, frozenset())
    expected_count = (CUTS + 1) * PEOPLE
    assert (counts.viewers, counts.views, page.total) == (expected_count, expected_count, expected_count)

"""Counts are exact under replays, aborts, endings and erasures, with two consumers of the same views."""

import asyncio
import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.errors import PyMongoError
from stories_engagement.domain.answers import Answer, AnswerableLayer
from stories_engagement.domain.errors import NotFound
from stories_engagement.domain.insights import Insights
from stories_engagement.domain.recent_plays import RecentPlays
from stories_engagement.domain.views import SUMS, increments_of
from stories_engagement.store.views import row_of
from stories_engagement.testing.builders import NOON, a_poll, a_quiz, a_record, a_story, an_access
from stories_engagement.testing.in_memory import FLOOR
from stories_engagement.testing.stores import Stores, in_mongo
from stories_engagement.usecases.insights import sealed_insights
from stories_engagement.usecases.stories import StoreStories, answerable_layers
from stories_engagement.usecases.views import CountViews
from stories_shared.errors import MONGODB, failed_dependency
from stories_shared.events import StoryViewed, Taps
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.ids import new_id
from stories_shared.mongo.client import Mongo

SECONDS = 20
LATER = NOON + timedelta(seconds=SECONDS + 1)


@pytest.fixture(scope="module")
def stores(mongo: Mongo) -> Stores:
    return in_mongo(mongo, lambda: LATER)


@dataclass(frozen=True)
class Deliver:
    """Deliver one batch to one consumer, perhaps aborted."""

    consumer: int
    batch: int
    aborted: bool


@dataclass(frozen=True)
class End:
    """A story expires or is deleted, or the event of its end arrives again."""

    story: int
    how: str


@dataclass(frozen=True)
class GiveAnswer:
    """A viewer answers a poll or a quiz at a second, or withdraws the answer."""

    story: int
    viewer: int
    quiz: bool
    option: int | None
    second: int


@dataclass(frozen=True)
class Erase:
    """A user is erased up to a second."""

    viewer: int
    second: int


BATCHES, STORIES, VIEWERS = 4, 2, 4
seconds = st.integers(0, SECONDS)
some_story, some_viewer = st.integers(0, STORIES - 1), st.integers(0, VIEWERS - 1)
WATCHED = 3
"""The most that a report says of a play. Each play is also one tap forward and two back."""
views = st.tuples(some_story, some_viewer, st.integers(0, 5), seconds, st.integers(0, WATCHED))
Action = Deliver | End | Erase | GiveAnswer
batches = st.lists(st.lists(views, min_size=1, max_size=12), min_size=BATCHES, max_size=BATCHES)
deliveries = st.builds(Deliver, st.integers(0, 1), st.integers(0, BATCHES - 1), st.booleans())
actions = st.one_of(
    deliveries,
    deliveries,
    deliveries,
    st.builds(GiveAnswer, some_story, some_viewer, st.booleans(), st.none() | st.integers(0, 1), seconds),
    st.builds(End, some_story, st.sampled_from(["expired", "deleted"])),
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
    layers: list[tuple[AnswerableLayer, ...]]
    ended: dict[str, tuple[int, int] | None] = field(default_factory=dict)
    sealed: dict[str, Insights | None] = field(default_factory=dict)
    erased: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.consumers = [CountViews(self.stores.view_store, RecentPlays(), lambda: LATER) for _ in range(2)]

    async def act(self, action: Action) -> None:
        """Act as a consumer does: retry while MongoDB is unavailable."""
        while True:
            try:
                return await self.try_(action)
            except PyMongoError as error:
                if failed_dependency(error) is None:
                    raise

    def try_(self, action: Action) -> Awaitable[None]:
        if isinstance(action, Deliver):
            return self.deliver(action)
        if isinstance(action, GiveAnswer):
            return self.answer(action)
        return self.end(self.stories[action.story], action.how) if isinstance(action, End) else self.erase(action)

    async def deliver(self, action: Deliver) -> None:
        work = asyncio.ensure_future(self.consumers[action.consumer](self.log[action.batch]))
        if action.aborted:
            await asyncio.sleep(0.003)
            work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work

    async def end(self, story_id: str, how: str) -> None:
        self.ended.setdefault(story_id, None)
        await self.stores.stories.end([story_id], how)
        await self.stores.stories.erase(story_id, 10)

    async def answer(self, action: GiveAnswer) -> None:
        story_id, viewer = self.stories[action.story], self.viewers[action.viewer]
        layer, at = self.layers[action.story][action.quiz], NOON + timedelta(seconds=action.second)
        access = an_access(story_id, viewer)
        with contextlib.suppress(NotFound):
            if action.option is None:
                await self.stores.answers.withdraw(story_id, layer.id, viewer, at)
            else:
                await self.stores.answers.put(access, layer, Answer(action.option), at)

    async def erase(self, action: Erase) -> None:
        viewer = self.viewers[action.viewer]
        self.erased[viewer] = max(action.second, self.erased.get(viewer, -1))
        at = NOON + timedelta(seconds=action.second)
        until = (await self.stores.erased_users.mark(viewer, at, "receipt", LATER)).until
        await self.stores.user_data.erase_user(viewer, until)

    def expected(self, story_id: str) -> tuple[int, int, int, int]:
        """Viewers, plays, completed ones and time watched expected after every batch."""
        plays: dict[tuple[str, str | None], int] = {}
        for record in [record for batch in self.log for record in batch]:
            event, second = record.event, int((record.event.viewed_at - NOON).total_seconds())
            if event.story_id == story_id and second > self.erased.get(event.viewer_id, -1):
                key = event.viewer_id, event.play_id
                plays[key] = max(event.watched_ms, plays.get(key, 0))
        completed = sum(watched == WATCHED for watched in plays.values())
        return len({viewer for viewer, _ in plays}), len(plays), completed, sum(plays.values())

    async def of_rows(self, story_id: str) -> tuple[Counter[str], dict[str, Counter[int]]]:
        """The sums of a story's rows, and the answers by layer and option."""
        mongo, of_story = self.stores.counters.mongo, {"_id": {"$gte": f"{story_id}/", "$lt": f"{story_id}0"}}
        sums: Counter[str] = Counter()
        async for row in mongo["viewers"].find({"story_id": story_id}):
            sums.update(increments_of(row_of(row)))
        tallies: defaultdict[str, Counter[int]] = defaultdict(Counter)
        async for row in mongo["answers"].find({**of_story, "given": True}):
            tallies[row["layer_id"]][row["option"]] += 1
        return sums, tallies

    async def check_figures(self, story_id: str, layers: tuple[AnswerableLayer, ...]) -> None:
        """Live figures equal the rows; sealed ones equal the frozen counts and never change."""
        live, sealed = await self.stores.insights.live(story_id), await self.stores.insights.sealed(story_id)
        assert (live is None) == (story_id in self.ended)
        assert live is None or sealed is None
        figures = live or sealed
        if figures is not None:
            assert (figures.forward, figures.back, figures.exit) == (
                figures.plays,
                2 * figures.plays,
                figures.watched_ms,
            )
        if live is not None:
            sums, tallies = await self.of_rows(story_id)
            names = {name: getattr(live, name) for name in ("viewers", "plays")}
            names |= {f"sums.{name}": getattr(live, name) for name in SUMS}
            assert names == {name: sums[name] for name in names}
            for layer, counted in zip(layers, live.layers, strict=True):
                assert counted.tallies == tuple(tallies[layer.id][option] for option in range(layer.options))
            assert live.answered == sum(sum(counted.tallies or ()) for counted in live.layers)
        elif story_id in self.sealed and sealed is not None:
            assert sealed == self.sealed[story_id]
        if story_id in self.ended:
            self.sealed[story_id] = sealed
            assert sealed is None or (sealed.viewers, sealed.plays) == self.ended[story_id]

    async def check(self) -> None:
        for story_id, layers in zip(self.stories, self.layers, strict=True):
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
            await self.check_figures(story_id, layers)

    async def check_sealing(self, action: End, before: Insights) -> None:
        """An expiry with nothing beside it seals the figures that were live."""
        sealed = await self.stores.insights.sealed(before.story_id)
        if action.how == "deleted":
            assert sealed is None
        else:
            expected = sealed_insights(before, sealed.sealed_at, FLOOR)
            assert sealed == replace(expected, expires_at=None)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(batches=batches, rounds=rounds)
async def test_counts_are_exact_under_replays_aborts_endings_and_erasures(
    stores: Stores, batches: list[list[tuple[int, int, int, int, int]]], rounds: list[list[Action]]
) -> None:
    stories = [a_story(posted_at=NOON, layers=(a_poll(), a_quiz())) for _ in range(STORIES)]
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
                    watched_ms=watched,
                    completed=watched == WATCHED,
                    taps=Taps(forward=1, back=2, exit=watched),
                    follower=viewer == 0,
                )
            )
            for story, viewer, play, second, watched in batch
        ]
        for batch in batches
    ]
    layers = [answerable_layers(story.layers) for story in stories]
    model = Model(stores, log, [story.story_id for story in stories], viewers, layers)
    await StoreStories(stores.stories)([a_record(story) for story in stories])
    for concurrent in rounds:
        alone = concurrent[0] if len(concurrent) == 1 else None
        before = await stores.insights.live(model.stories[alone.story]) if isinstance(alone, End) else None
        await asyncio.gather(*(model.act(action) for action in concurrent))
        await model.check()
        if isinstance(alone, End) and before is not None:
            await model.check_sealing(alone, before)
    await asyncio.gather(*(model.act(Deliver(c, b, False)) for b in range(BATCHES) for c in range(2)))
    await model.check()
    for story_id in model.stories:
        if story_id not in model.ended:
            live = await stores.insights.live(story_id)
            assert (live.viewers, live.plays, live.completed, live.watched_ms) == model.expected(story_id)
            for viewer, second in model.erased.items():  # as the second look does
                at = NOON + timedelta(seconds=second)
                await stores.user_data.erase_user(viewer, at)
                left = {"viewer_id": viewer, "story_id": story_id, "at": {"$lte": at}}
                assert await stores.counters.mongo["answers"].find_one(left) is None
    await model.check()


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

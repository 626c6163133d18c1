"""Cost of operations at ten and a hundred times the data, beside that at once the data."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from stories_embedded.testing import Realm
from stories_engagement.store.schema import row_id
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events.ids import new_id
from stories_shared.mongo.client import Document

from ..bench import NO_LIMIT, VIEWERS, Bench
from ..load import get_load
from ..registry import figure
from ..results import Result, Sample, compare
from ..services import Running, insert, services
from .index import follow_lists
from .ranking import PATH as FOR_YOU
from .ranking import live_stories
from .views import Engagement

TIMES = (1, 10, 100)
STORIES, ROWS, VIEWS = 1_000, 10_000, 10_000
AT_LEAST = 1 / 1.3


@figure("growth")
async def growth(bench: Bench) -> Sequence[Result]:
    """Trays, For You and counted views at 10 and 100 times the data, beside once the data."""
    return [*await growing_reads(bench), *await growing_views(bench)]


async def growing_reads(bench: Bench) -> list[Result]:
    """Reads by the number of live stories."""
    tokens = [bench.servers.token(f"viewer{n}") for n in range(VIEWERS)]
    sizes = {times: max(30, int(STORIES * times * bench.plan.scale)) for times in TIMES}
    async with AsyncExitStack() as stack:
        feeds: dict[int, Running] = {}
        for times, number in sizes.items():
            _, running = await stack.enter_async_context(services(bench, "feed", start=False))
            await live_stories(running["feed"].mongo["stories"], number)
            await insert(running["feed"].mongo["choices"], follow_lists())
            await running["feed"].start()
            feeds[times] = running["feed"]
        return [
            await compare(
                f"growth-{name}-{times}x",
                "requests/s",
                lambda times=times, path=path: get_load(  # type: ignore[misc]
                    feeds[times].process, path, tokens, bench.plan.seconds
                ),
                bench.plan,
                peer=f"the same at {sizes[1]:,} live stories",
                limit=lambda path=path: get_load(  # type: ignore[misc]
                    feeds[1].process, path, tokens, bench.plan.seconds
                ),
                at_least=AT_LEAST,
                note=f"{sizes[times]:,} live stories",
            )
            for name, path in (("tray", "/v1/tray"), ("for-you", FOR_YOU))
            for times in TIMES[1:]
        ]


async def growing_views(bench: Bench) -> list[Result]:
    """Views counted by the number of rows that are there."""
    number = max(1_000, int(VIEWS * bench.plan.scale))
    sizes = {times: int(ROWS * times * bench.plan.scale) for times in TIMES}
    async with AsyncExitStack() as stack:
        counting = {times: await stack.enter_async_context(filled(bench, rows)) for times, rows in sizes.items()}

        async def counted(times: int) -> Sample:
            service = counting[times]
            stories = await service.stories(1)
            return await service.counted(stories, service.records(stories, number), number)

        return [
            await compare(
                f"growth-views-{times}x",
                "views/s",
                lambda times=times: counted(times),  # type: ignore[misc]
                bench.plan,
                peer=f"the same beside {sizes[1]:,} rows of other stories",
                limit=lambda: counted(1),
                at_least=AT_LEAST,
                note=f"{number:,} views beside {sizes[times]:,} rows of other stories",
            )
            for times in TIMES[1:]
        ]


@asynccontextmanager
async def filled(bench: Bench, number: int) -> AsyncIterator[Engagement]:
    """A running engagement with so many rows of viewers."""
    service = Engagement(bench, bench.settings(Realm(bench.servers), LIMIT_VIEWS=NO_LIMIT))
    await service.start()
    try:
        await insert(service.mongo["viewers"], viewer_rows(number))
        yield service
    finally:
        await service.close()


def viewer_rows(number: int) -> Iterator[Document]:
    """Rows of viewers, a hundred of each story."""
    at, story = truncate_to_ms(system_now()), new_id()
    for n in range(number):
        story = new_id() if n % 100 == 0 else story
        ids = {"_id": row_id(story, f"viewer{n}"), "story_id": story, "viewer_id": f"viewer{n}"}
        play = {"play-0001": [at, 900, False, 0, 0, 0]}
        yield {**ids, "at": at, "listed": True, "follower": False, "count": 1, "plays": play}

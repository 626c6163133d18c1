"""Cost of operations at ten and a hundred times the data, beside that at once the data."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial

from stories_shared.events.ids import new_id

from ..bench import NO_LIMIT, VIEWERS, Bench
from ..engagement import engagement, viewer_rows
from ..load import get_load
from ..registry import figure
from ..results import Result, Sample, compare
from ..services import Running, insert, services
from .index import follow_lists
from .ranking import PATH as FOR_YOU
from .ranking import live_stories

TIMES = (1, 10, 100)
STORIES, ROWS, VIEWS, OF_ONE_STORY = 1_000, 10_000, 10_000, 100
AT_LEAST = 1 / 1.3


@figure("growth")
async def growth(bench: Bench) -> Sequence[Result]:
    """Trays, For You and counted views at 10 and 100 times the data, beside once the data."""
    return [*await growing_reads(bench), *await growing_views(bench)]


async def growing_reads(bench: Bench) -> list[Result]:
    """Reads by the number of live stories."""
    tokens = [bench.servers.token(f"viewer{n}") for n in range(VIEWERS)]
    sizes = {times: bench.plan.scaled(STORIES * times, 30) for times in TIMES}
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
                partial(get_load, feeds[times].process, path, tokens, bench.plan.seconds),
                bench.plan,
                peer=f"the same at {sizes[1]:,} live stories",
                limit=partial(get_load, feeds[1].process, path, tokens, bench.plan.seconds),
                at_least=AT_LEAST,
                note=f"{sizes[times]:,} live stories",
            )
            for name, path in (("tray", "/v1/tray"), ("for-you", FOR_YOU))
            for times in TIMES[1:]
        ]


async def growing_views(bench: Bench) -> list[Result]:
    """Views counted by the number of rows that are there."""
    number = bench.plan.scaled(VIEWS)
    sizes = {times: int(ROWS * times * bench.plan.scale) for times in TIMES}
    async with AsyncExitStack() as stack:
        counting = {}
        for times, rows in sizes.items():
            counting[times] = await stack.enter_async_context(engagement(bench, LIMIT_VIEWS=NO_LIMIT))
            others = [new_id() for _ in range(rows // OF_ONE_STORY)]
            await insert(counting[times].mongo["viewers"], viewer_rows(others, OF_ONE_STORY))

        async def counted(times: int) -> Sample:
            service = counting[times]
            stories = await service.stories(1)
            return await service.counted(stories, service.records(stories, number), number)

        return [
            await compare(
                f"growth-views-{times}x",
                "views/s",
                partial(counted, times),
                bench.plan,
                peer=f"the same beside {sizes[1]:,} rows of other stories",
                limit=partial(counted, 1),
                at_least=AT_LEAST,
                note=f"{number:,} views beside {sizes[times]:,} rows of other stories",
            )
            for times in TIMES[1:]
        ]

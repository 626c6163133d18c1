"""Reads of the feed, straight at one process, beside a constant response of the same bytes."""

from collections.abc import Sequence
from functools import partial

from ..bench import FOLLOWS, Bench
from ..load import get_load
from ..peers import CONSTANT, SERVER, serving
from ..processes import get
from ..registry import figure
from ..results import Result, compare


async def read(bench: Bench, name: str, path: str, at_least: float | None, follows: int = 200) -> Result:
    """Load one path as 64 viewers over 32 connections."""
    feed = await bench.feed()
    tokens = feed.tokens(follows)
    body = get(feed.process.url + path, tokens[0])
    if body is None:
        raise RuntimeError(f"{path} is not answered with 200")
    load = partial(get_load, path=path, tokens=tokens, seconds=bench.plan.seconds)
    async with serving(CONSTANT, body) as constant:
        return await compare(
            name,
            "requests/s",
            partial(load, feed.process),
            bench.plan,
            peer=f"{SERVER}, constant response",
            limit=partial(load, constant),
            at_least=at_least,
        )


@figure("tray")
async def tray(bench: Bench) -> Sequence[Result]:
    """`GET /v1/tray` with ten rings, by the number of follows."""
    return [await read(bench, f"tray-{count}", "/v1/tray", 0.16 if count == 200 else None, count) for count in FOLLOWS]


@figure("rings")
async def rings(bench: Bench) -> Sequence[Result]:
    """`GET /v1/rings` of ten authors."""
    return [await read(bench, "rings", f"/v1/rings?user_ids={(await bench.feed()).authors}", 0.16)]


@figure("reel")
async def reel(bench: Bench) -> Sequence[Result]:
    """`GET /v1/users/{id}/stories` of an author with one story."""
    return [await read(bench, "reel", "/v1/users/live0/stories", 0.16)]


@figure("story")
async def story(bench: Bench) -> Sequence[Result]:
    """`GET /v1/stories/{id}`."""
    return [await read(bench, "story", f"/v1/stories/{(await bench.feed()).stories[0].story_id}", 0.16)]


@figure("reels")
async def reels(bench: Bench) -> Sequence[Result]:
    """`GET /v1/reels` of ten authors."""
    return [await read(bench, "reels-10", f"/v1/reels?user_ids={(await bench.feed()).authors}", 0.10)]


@figure("for-you")
async def for_you(bench: Bench) -> Sequence[Result]:
    """`GET /v1/for-you` with ten items."""
    return [await read(bench, "for-you-10", "/v1/for-you?limit=10", 0.10)]

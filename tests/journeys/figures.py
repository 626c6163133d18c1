"""Measurements on one machine, by hand: `.venv/bin/python -m tests.journeys.figures`.

Starts its own stack, measures through the gateway and prints a table, in some minutes. Values are seconds unless a line
says otherwise; `worst of 30` is the slowest, not a percentile.
"""

import asyncio
import secrets
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
from stories_shared.testing import eventually

from .people import Answer, Person
from .samples import Sample, Samples
from .stack import Stack
from .waiting import POLL, end_of
from .world import World

TIMES = 30
SHORT = "8s"
PLENTY = {f"LIMIT_{name}": "10000000" for name in ("CREATE", "READS", "VIEWS", "EDGES")}
VIEWERS, PLAYS, PER_REQUEST = 100, 20_000, 100


def print_row(what: str, figures: Sequence[float], unit: str = "s") -> None:
    """Print one line of the table."""
    median, worst = statistics.median(figures), max(figures)
    print(f"{what:<58} {median:>9.2f} {worst:>9.2f} {unit}   of {len(figures)}", flush=True)  # noqa: T201


async def took(probe: Callable[[], Awaitable[Any]], seconds: float = 60.0) -> float:
    """Seconds until `probe` returns a value."""
    began = time.monotonic()
    await eventually(probe, seconds)
    return time.monotonic() - began


async def posting(world: World, clip: Sample) -> None:
    """From `publish` to `live`, and from `live` to a follower's tray, sequentially."""
    working, arriving = [], []
    for number in range(TIMES):
        ann, bob = world.people(f"ann{number}", f"bob{number}")
        await bob.follow(ann)
        draft = await ann.draft(clip)
        began = time.monotonic()
        answer = await ann.publish(draft["id"])
        assert answer.status_code == 200, answer.text
        working.append(time.monotonic() - began)
        await eventually(lambda bob=bob, ann=ann: bob.ring_in_tray(ann), 30)  # type: ignore[misc]
        posted = datetime.fromisoformat(answer.json()["posted_at"])
        arriving.append((datetime.now(UTC) - posted).total_seconds())
    print_row("publish to live, a 15 s clip of 1080p", working)
    print_row(f"live to a follower's tray (asked every {POLL * 1000:.0f} ms)", arriving)


async def ending(world: World) -> None:
    """From the end of a story to its complete receipt."""
    ann = world.person("ann")
    stories = [await ann.post(lifetime=world.short) for _ in range(TIMES)]

    async def erased(story: Answer) -> float:
        await end_of(story)
        receipt = await eventually(lambda: ended(ann, story), 120)
        done = datetime.fromisoformat(receipt["completed_at"])
        return (done - datetime.fromisoformat(story["expires_at"])).total_seconds()

    print_row("end to complete receipt", await asyncio.gather(*(erased(story) for story in stories)))


async def ended(ann: Person, story: Answer) -> Answer:
    """The receipt if it is complete, else None."""
    answer = await ann.ask("GET", f"/v1/stories/{story['id']}/receipt")
    found: Answer = answer.json() if answer.status_code == 200 else {}
    return found if found.get("complete") else {}


async def viewing(world: World) -> None:
    """Views accepted and counted, from the first request to the last view in the count."""
    ann, *viewers = world.people("ann", *(f"viewer{n}" for n in range(VIEWERS)))
    stories = [await ann.post() for _ in range(4)]
    await eventually(lambda: viewers[0].item(stories[-1]), 30)
    items = [[await viewer.item(story) for story in stories] for viewer in viewers]
    began = time.monotonic()
    gate = asyncio.Semaphore(16)

    async def report(number: int) -> None:
        viewer, its = viewers[number % VIEWERS], items[number % VIEWERS]
        views = [
            {"ticket": its[each % 4]["ticket"], "play_id": secrets.token_hex(8), "watched_ms": 900}
            for each in range(PER_REQUEST)
        ]
        async with gate:
            await viewer.done("POST", "/v1/views", json={"views": views})

    await asyncio.gather(*(report(number) for number in range(PLAYS // PER_REQUEST)))
    accepted = time.monotonic() - began

    async def counted() -> bool:
        return bool(sum([(await ann.counts(story))["views"] for story in stories]) == PLAYS)

    await eventually(counted, 300)
    print_row(f"views accepted, {PER_REQUEST} a request", [PLAYS / accepted], "a second")
    print_row("views counted, until the last one was", [PLAYS / (time.monotonic() - began)], "a second")


async def resting(stack: Stack) -> None:
    """Resident memory of every idle process."""
    for name, each in (await stack.processes()).items():
        process = psutil.Process(each["pid"])
        resident = sum(one.memory_info().rss for one in [process, *process.children(recursive=True)])
        print_row(f"memory of {name}, idle", [resident / 1024**2], "MiB")


async def measure(stack: Stack, samples: Samples) -> None:
    """All measurements on a running stack."""
    async with httpx.AsyncClient(base_url=stack.url, timeout=120, trust_env=False) as http:
        world = World(stack, http, samples)
        await resting(stack)
        await posting(world, samples.clip(15.0, width=1080, height=1920, fps=30))
        await ending(world)
        await viewing(world)


def main() -> None:
    """Start, measure, stop."""
    starts = []
    stack = Stack.make(short=SHORT, settings=PLENTY)
    try:
        for _ in range(3):
            stack.start()
            starts.append(stack.ready_after)
            if len(starts) < 3:
                stack.interrupt()
        print(f"{'':<58} {'median':>9} {'worst':>9}")  # noqa: T201
        print_row("stories up to ready, the first time", starts[:1])
        print_row("stories up to ready, again", starts[1:])
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(measure(stack, Samples(Path(folder))))
    finally:
        stack.remove(keep_logs=False)


if __name__ == "__main__":
    main()

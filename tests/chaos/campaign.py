"""One run: violence for some minutes, then healing, draining and every check."""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.journeys.samples import Samples

from .arena import Arena
from .cast import Cast, cast
from .checks.counts import CountChecks
from .checks.erasure import LOG_S, ErasureChecks
from .checks.leftovers import LeftoverChecks
from .checks.stories import StoryChecks
from .history import History
from .settling import Settling, drained
from .soak import Soak
from .summary import Summary
from .weather import Weather

SHOWN_AT_ONCE = 6
Say = Callable[[str], None]


@dataclass
class Campaign:
    """One run from its start to its summary."""

    seed: int
    seconds: float
    kinds: frozenset[str]
    without: frozenset[str]
    folder: Path
    say: Say
    soaking: bool = False
    """Memory, disk and connections are watched, too."""
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    """Ends the violence before its time; healing and checks still come."""
    weather: Weather = field(default_factory=Weather)
    summary: Summary = field(init=False)

    def __post_init__(self) -> None:
        kinds = sorted(self.kinds - self.without)
        self.summary = Summary(self.seed, self.seconds, kinds)
        self.history = History(self.folder / "history.jsonl", self.seed, seconds=self.seconds, kinds=kinds)

    async def run(self) -> Summary:
        """Do it. Whatever goes wrong with the product is in the summary; only our own mistakes raise."""
        arena = Arena.make(random.Random(f"{self.seed}/wires"))
        whole = False
        try:
            self.say("starting servers, proxies and two replicas of every service")
            await arena.start()
            async with AsyncExitStack() as stack:
                await self._play(arena, stack)
            whole = not self.summary.violations
        finally:
            self.history.close()
            await arena.stop(keep=None if whole else self.folder)
        return self.summary

    def wrong(self, promise: str, **about: Any) -> None:
        """A promise is broken."""
        if not self.summary.violations:
            self.summary.suspects = self.weather.of_late(time.time())
        self.summary.violations.append((promise, about))
        self.history.note("violation", promise=promise, **about)
        if len(self.summary.violations) <= SHOWN_AT_ONCE:
            self.say(f"BROKEN: {promise}: {about}")

    async def _play(self, arena: Arena, stack: AsyncExitStack) -> None:
        samples = Samples(self.folder / "samples")
        samples.folder.mkdir(exist_ok=True)
        everybody = await cast(
            self.seed, self.kinds, self.without, arena, self.history, self.weather, self.wrong, samples, stack
        )
        soak = Soak(arena, self.folder)
        watching = [self.weather.watch_the_machine(), everybody.scribe.run(), everybody.meter.run()]
        asides = [asyncio.create_task(each) for each in [*watching, *([soak.run()] if self.soaking else [])]]
        began = time.time()
        try:
            await self._violate(everybody)
            for task in asides:
                if task.done():
                    task.result()  # it never ends by itself: this raises
            await self._heal(arena, everybody)
            for grown in soak.grown():
                self.wrong("memory, disk and connections stay", what=grown)
            await self._check(arena, everybody, log_from=(began + time.time()) / 2 + LOG_S)
        finally:
            for task in asides:
                task.cancel()
            self.summary.take(self.history, everybody, self.weather)
            if self.soaking and soak.samples:
                self.say(f"drawn: {soak.draw().name}")

    async def _violate(self, everybody: Cast) -> None:
        """Everybody at once, until the time is over or somebody says so."""
        minutes = "until Ctrl-C" if math.isinf(self.seconds) else f"for {self.seconds / 60:.1f} minutes"
        self.say(f"violence {minutes}, seed {self.seed}: {', '.join(self.summary.kinds)}")
        violence = [
            asyncio.create_task(everybody.generator.run(self.ending)),
            asyncio.create_task(everybody.witness.run(self.seed, self.ending)),
            asyncio.create_task(everybody.nemesis.run(self.ending)),
        ]
        timeout_s = None if math.isinf(self.seconds) else self.seconds
        await asyncio.wait(violence, timeout=timeout_s, return_when=asyncio.FIRST_EXCEPTION)
        everybody.client.stopping = self.ending
        self.ending.set()
        await asyncio.gather(*violence)
        await asyncio.gather(*everybody.operations.background)

    async def _heal(self, arena: Arena, everybody: Cast) -> None:
        """Wait until everything is back, settle what was left open, and have the log read to its end."""
        last_attempt, everybody.client.stopping = time.time(), asyncio.Event()
        self.say("healing")
        if problem := await everybody.nemesis.recovered():
            self.wrong("everything recovers by itself", missing=problem)
        await Settling(everybody.operations).run(last_attempt)
        self.say("draining")
        if left := await drained(arena.direct["kafka"], arena.direct["mongod"]):
            self.wrong("the log is read and the outboxes are emptied", left=left)

    async def _check(self, arena: Arena, everybody: Cast, log_from: float) -> None:
        ask = StoryChecks(everybody.client, everybody.truth, self.wrong, everybody.witness.doors)
        counts, erasure = CountChecks(ask), ErasureChecks(ask, arena.settings)
        records, leftovers = everybody.records, LeftoverChecks(ask, everybody.scribe)
        checks: dict[str, Callable[[], Awaitable[None]]] = {
            "publishes are live, ended or refused": ask.publishes,
            "each story once where it may be seen": ask.reels,
            "counts of live stories": counts.live,
            "counts of ended stories": lambda: counts.ended(self.weather.calm),
            "no end before its time": leftovers.ends,
            "receipts complete": erasure.receipts,
            "databases hold nothing of the ended": erasure.databases,
            "bucket without orphans and gaps": erasure.bucket,
            "parked is the poison": lambda: leftovers.parked(records.poison),
            "idempotency keys": leftovers.keys,
            "log holds nothing of the ended": lambda: erasure.log(everybody.scribe, records.resaid, log_from),
        }
        for name, check in checks.items():
            self.say(f"checking: {name}")
            before = len(self.summary.violations)
            await check()
            self.summary.checks[name] = len(self.summary.violations) - before
        self.summary.cleared = erasure.cleared

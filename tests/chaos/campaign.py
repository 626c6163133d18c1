"""One run: violence for some minutes, then healing, draining and every check."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from stories_shared.topics import Topics

from tests.journeys.samples import Samples

from .arena import LIFETIMES, Arena
from .asking import Client
from .checks.counts import CountChecks
from .checks.erasure import LOG_S, ErasureChecks
from .checks.leftovers import LeftoverChecks
from .checks.stories import StoryChecks
from .faults import WEIGHTS, faults
from .faults_of_members import MemberFaults
from .faults_of_processes import ProcessFaults
from .faults_of_records import RecordFaults
from .faults_of_wires import WireFaults
from .generator import Generator
from .history import History
from .nemesis import Nemesis
from .operations import Operations
from .scribe import Scribe
from .settling import Settling, drained
from .summary import Summary
from .truth import Truth
from .weather import Weather
from .witness import Witness

PEOPLE = 10
SHOWN_AT_ONCE = 6
Say = Callable[[str], None]


@dataclass
class Campaign:
    """Everything of one run, wired by hand."""

    seed: int
    seconds: float
    kinds: frozenset[str]
    folder: Path
    say: Say
    summary: Summary = field(init=False)

    def __post_init__(self) -> None:
        self.summary = Summary(self.seed, self.seconds, sorted(self.kinds))
        self.history = History(self.folder / "history.jsonl", self.seed, seconds=self.seconds, kinds=sorted(self.kinds))

    async def run(self) -> Summary:
        """Do it. Whatever goes wrong with the product is in the summary; only our own mistakes raise."""
        arena = Arena.make(random.Random(f"{self.seed}/wires"))
        failed = True
        try:
            self.say("starting servers, proxies and two replicas of every service")
            await arena.start()
            async with AsyncExitStack() as stack:
                await self._fight(arena, stack)
            failed = bool(self.summary.violations)
        finally:
            self.history.close()
            await arena.stop(keep=self.folder if failed else None)
        return self.summary

    def wrong(self, promise: str, **about: Any) -> None:
        """A promise is broken."""
        self.summary.violations.append((promise, about))
        self.history.note("violation", promise=promise, **about)
        if len(self.summary.violations) <= SHOWN_AT_ONCE:
            self.say(f"BROKEN: {promise}: {about}")

    async def _fight(self, arena: Arena, stack: AsyncExitStack) -> None:
        weather = Weather()
        timeout = httpx.Timeout(30, pool=60)
        gateway = await stack.enter_async_context(
            httpx.AsyncClient(base_url=arena.stack.url, timeout=timeout, trust_env=False)
        )
        samples = Samples(self.folder / "samples")
        samples.folder.mkdir(exist_ok=True)
        client = Client(self.history, gateway, arena.stack.token, samples.photo(), self.wrong)
        users = [f"user-{number}-{self.seed}" for number in range(PEOPLE)]
        truth = Truth(users)
        witness = Witness(client, truth, weather, self.wrong)
        for name, process in arena.processes().items():
            if name in arena.replicas():
                door = httpx.AsyncClient(base_url=process.url or "", timeout=timeout, trust_env=False)
                witness.doors[name] = await stack.enter_async_context(door)
        pool = [client.photo, samples.photo(".png"), samples.photo(".webp"), samples.clip(1.0)]
        operations = Operations(client, truth, witness, pool, samples.text(), LIFETIMES)
        generator = Generator(operations, self.seed)
        scribe = Scribe(arena.direct["kafka"], tuple(Topics.of([timedelta(hours=24)])))
        rng = random.Random(f"{self.seed}/stare")
        records = RecordFaults(arena.direct["kafka"], scribe)
        everything = faults(
            ProcessFaults(arena, lambda name: witness.stare(name, rng)),
            WireFaults(arena),
            records,
            MemberFaults(arena, witness, self.wrong),
        )
        nemesis = Nemesis(arena, weather, self.history, everything, WEIGHTS, self.kinds, self.seed)

        asides = [asyncio.create_task(weather.watch_the_machine()), asyncio.create_task(scribe.run())]
        stopping = asyncio.Event()
        try:
            self.say(f"{self.seconds / 60:.1f} minutes of violence, seed {self.seed}: {', '.join(sorted(self.kinds))}")
            violence = [
                asyncio.create_task(generator.run(stopping)),
                asyncio.create_task(witness.run(self.seed, stopping)),
                asyncio.create_task(nemesis.run(stopping)),
            ]
            began = time.time()
            await asyncio.wait(violence, timeout=self.seconds, return_when=asyncio.FIRST_EXCEPTION)
            client.stopping = stopping
            stopping.set()
            await asyncio.gather(*violence)
            last_attempt = time.time()
            client.stopping = asyncio.Event()
            await self._heal(arena, nemesis, operations, last_attempt)
            await self._check(arena, weather, client, witness, records, began + self.seconds / 2 + LOG_S)
        finally:
            for task in asides:
                task.cancel()
            self.summary.take(self.history, nemesis, witness, weather, scribe)

    async def _heal(self, arena: Arena, nemesis: Nemesis, operations: Operations, last_attempt: float) -> None:
        self.say("healing")
        if problem := await nemesis.recovered():
            self.wrong("everything recovers by itself", missing=problem)
        await Settling(operations).run(last_attempt)
        self.say("draining")
        if left := await drained(arena.direct["kafka"], arena.direct["mongod"]):
            self.wrong("the log is read and the outboxes are emptied", left=left)

    async def _check(
        self, arena: Arena, weather: Weather, client: Client, witness: Witness, records: RecordFaults, log_from: float
    ) -> None:
        ask = StoryChecks(client, witness.truth, self.wrong, witness.doors)
        counts, erasure = CountChecks(ask), ErasureChecks(ask, arena.settings)
        leftovers = LeftoverChecks(ask, records.scribe)

        async def ends() -> None:
            leftovers.ends()

        checks: dict[str, Callable[[], Awaitable[None]]] = {
            "publishes are live, ended or refused": ask.publishes,
            "each story once where it may be seen": ask.reels,
            "counts of live stories": counts.live,
            "counts of ended stories": lambda: counts.ended(weather.calm),
            "no end before its time": ends,
            "receipts complete": erasure.receipts,
            "databases hold nothing of the ended": erasure.databases,
            "bucket without orphans and gaps": erasure.bucket,
            "parked is the poison": lambda: leftovers.parked(records.poison),
            "idempotency keys": leftovers.keys,
            "log holds nothing of the ended": lambda: erasure.log(records.scribe, records.resaid, log_from),
        }
        for name, check in checks.items():
            self.say(f"checking: {name}")
            before = len(self.summary.violations)
            await check()
            self.summary.checks[name] = len(self.summary.violations) - before
        self.summary.cleared = erasure.cleared

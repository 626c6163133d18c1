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

from .actors import Actors, make_actors
from .checks.counts import CountChecks
from .checks.erasure import LOG_S, ErasureChecks
from .checks.leftovers import LeftoverChecks
from .checks.stories import StoryChecks
from .cluster import Cluster
from .fault_timeline import FaultTimeline
from .history import History
from .reconcile import Reconciliation, drained
from .soak import Soak
from .summary import Summary

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
    publish: Say
    soaking: bool = False
    """Memory, disk and connections are watched, too."""
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    """Ends the violence before its time; healing and checks still come."""
    fault_timeline: FaultTimeline = field(default_factory=FaultTimeline)
    summary: Summary = field(init=False)

    def __post_init__(self) -> None:
        kinds = sorted(self.kinds - self.without)
        self.summary = Summary(self.seed, self.seconds, kinds)
        self.history = History(self.folder / "history.jsonl", self.seed, seconds=self.seconds, kinds=kinds)

    async def run(self) -> Summary:
        """Do it. Whatever goes wrong with the product is in the summary; only our own mistakes raise."""
        cluster = Cluster.make(random.Random(f"{self.seed}/wires"))
        whole = False
        try:
            self.publish("starting servers, proxies and two replicas of every service")
            await cluster.start()
            async with AsyncExitStack() as stack:
                await self._play(cluster, stack)
            whole = not self.summary.violations
        finally:
            self.history.close()
            await cluster.stop(keep=None if whole else self.folder)
        return self.summary

    def wrong(self, promise: str, **about: Any) -> None:
        """A promise is broken."""
        if not self.summary.violations:
            self.summary.suspects = self.fault_timeline.of_late(time.time())
        self.summary.violations.append((promise, about))
        self.history.note("violation", promise=promise, **about)
        if len(self.summary.violations) <= SHOWN_AT_ONCE:
            self.publish(f"BROKEN: {promise}: {about}")

    async def _play(self, cluster: Cluster, stack: AsyncExitStack) -> None:
        samples = Samples(self.folder / "samples")
        samples.folder.mkdir(exist_ok=True)
        actors = await make_actors(
            self.seed, self.kinds, self.without, cluster, self.history, self.fault_timeline, self.wrong, samples, stack
        )
        soak = Soak(cluster, self.folder)
        watching = [self.fault_timeline.watch_the_machine(), actors.recorder.run(), actors.recovery_times.run()]
        asides = [asyncio.create_task(each) for each in [*watching, *([soak.run()] if self.soaking else [])]]
        began = time.time()
        try:
            await self._violate(actors)
            for task in asides:
                if task.done():
                    task.result()  # it never ends by itself: this raises
            await self._heal(cluster, actors)
            for grown in soak.grown():
                self.wrong("memory, disk and connections stay", what=grown)
            await self._check(cluster, actors, log_from=(began + time.time()) / 2 + LOG_S)
        finally:
            for task in asides:
                task.cancel()
            self.summary.take(self.history, actors, self.fault_timeline)
            if self.soaking and soak.samples:
                self.publish(f"drawn: {soak.draw().name}")

    async def _violate(self, actors: Actors) -> None:
        """Everybody at once, until the time is over or somebody says so."""
        minutes = "until Ctrl-C" if math.isinf(self.seconds) else f"for {self.seconds / 60:.1f} minutes"
        self.publish(f"violence {minutes}, seed {self.seed}: {', '.join(self.summary.kinds)}")
        violence = [
            asyncio.create_task(actors.generator.run(self.ending)),
            asyncio.create_task(actors.monitor.run(self.seed, self.ending)),
            asyncio.create_task(actors.nemesis.run(self.ending)),
        ]
        timeout_s = None if math.isinf(self.seconds) else self.seconds
        await asyncio.wait(violence, timeout=timeout_s, return_when=asyncio.FIRST_EXCEPTION)
        actors.client.stopping = self.ending
        self.ending.set()
        await asyncio.gather(*violence)
        await asyncio.gather(*actors.operations.background)

    async def _heal(self, cluster: Cluster, actors: Actors) -> None:
        """Wait until everything is back, settle what was left open, and have the log read to its end."""
        last_attempt, actors.client.stopping = time.time(), asyncio.Event()
        self.publish("healing")
        if problem := await actors.nemesis.recovered():
            self.wrong("everything recovers by itself", missing=problem)
        await Reconciliation(actors.operations).run(last_attempt)
        self.publish("draining")
        if left := await drained(cluster.direct["kafka"], cluster.direct["mongod"]):
            self.wrong("the log is read and the outboxes are emptied", left=left)

    async def _check(self, cluster: Cluster, actors: Actors, log_from: float) -> None:
        ask = StoryChecks(actors.client, actors.model, self.wrong, actors.monitor.doors)
        counts, erasure = CountChecks(ask), ErasureChecks(ask, cluster.settings)
        records, leftovers = actors.records, LeftoverChecks(ask, actors.recorder)
        checks: dict[str, Callable[[], Awaitable[None]]] = {
            "publishes are live, ended or refused": ask.publishes,
            "each story once where it may be seen": ask.reels,
            "counts of live stories": counts.live,
            "counts of ended stories": lambda: counts.ended(cluster.settings["MONGO_URL"], self.fault_timeline.calm),
            "no end before its time": leftovers.ends,
            "receipts complete": erasure.receipts,
            "databases hold nothing of the ended": erasure.databases,
            "bucket without orphans and gaps": erasure.bucket,
            "dead-lettered is the poison": lambda: leftovers.dead_letter(records.poison),
            "idempotency keys": leftovers.keys,
            "log holds nothing of the ended": lambda: erasure.log(actors.recorder, records.resaid, log_from),
        }
        for name, check in checks.items():
            self.publish(f"checking: {name}")
            before = len(self.summary.violations)
            await check()
            self.summary.checks[name] = len(self.summary.violations) - before
        self.summary.cleared = erasure.cleared

"""One run: some minutes of faults, then recovery, draining and every check."""

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
from .checks.authors import AuthorChecks
from .checks.counts import CountChecks
from .checks.erasure import LOG_S, ErasureChecks
from .checks.leftovers import LeftoverChecks
from .checks.live import LiveChecks
from .checks.stories import StoryChecks
from .checks.webhooks import WebhookChecks
from .cluster import Cluster
from .fault_timeline import FaultTimeline
from .history import History
from .live_clients import FOLLOWED
from .reconcile import Reconciliation, drained
from .soak import Soak
from .summary import Summary

MAX_SHOWN = 6
Log = Callable[[str], None]


@dataclass
class Campaign:
    """One run from its start to its summary."""

    seed: int
    seconds: float
    kinds: frozenset[str]
    without: frozenset[str]
    folder: Path
    log: Log
    replicated: bool = False
    """Whether there are three brokers and three mongods."""
    secured: bool = False
    """Whether Kafka and MongoDB serve only users, and only over TLS."""
    soaking: bool = False
    """Whether to sample memory, disk and connections too."""
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    """Ends the faults early; recovery and checks still follow."""
    fault_timeline: FaultTimeline = field(default_factory=FaultTimeline)
    summary: Summary = field(init=False)

    def __post_init__(self) -> None:
        kinds = sorted(self.kinds - self.without)
        self.summary = Summary(self.seed, self.seconds, kinds)
        self.history = History(self.folder / "history.jsonl", self.seed, seconds=self.seconds, kinds=kinds)

    async def run(self) -> Summary:
        """Run everything. Defects of the product are in the summary; only defects of the tests raise."""
        cluster = Cluster.make(random.Random(f"{self.seed}/wires"), replicated=self.replicated, secured=self.secured)
        intact = False
        try:
            self.log("starting servers, proxies and two replicas of every service")
            await cluster.start()
            async with AsyncExitStack() as stack:
                await self._run_with(cluster, stack)
            intact = not self.summary.violations
        finally:
            self.history.close()
            await cluster.stop(keep=None if intact else self.folder)
        return self.summary

    def wrong(self, promise: str, **about: Any) -> None:
        """Record a violated invariant."""
        if not self.summary.violations:
            self.summary.suspects = self.fault_timeline.recent(time.time())
        self.summary.violations.append((promise, about))
        self.history.note("violation", promise=promise, **about)
        if len(self.summary.violations) <= MAX_SHOWN:
            self.log(f"VIOLATED: {promise}: {about}")

    async def _run_with(self, cluster: Cluster, stack: AsyncExitStack) -> None:
        samples = Samples(self.folder / "samples")
        samples.folder.mkdir(exist_ok=True)
        actors = await make_actors(
            self.seed, self.kinds, self.without, cluster, self.history, self.fault_timeline, self.wrong, samples, stack
        )
        soak = Soak(cluster, self.folder)
        watching = [
            self.fault_timeline.watch_machine(),
            actors.recorder.run(),
            actors.recovery_times.run(),
            actors.live.run(),
        ]
        background = [asyncio.create_task(each) for each in [*watching, *([soak.run()] if self.soaking else [])]]
        await actors.webhooks.register()
        await asyncio.gather(
            *(actors.operations.follow_some(each.viewer, FOLLOWED) for each in actors.live.clients),
            *(actors.operations.archive(user) for user in actors.model.users[::2]),
        )
        began = time.time()
        try:
            await self._inject_faults(actors)
            for task in background:
                if task.done():
                    task.result()  # a background task never ends by itself, so this raises
            await self._heal(cluster, actors)
            for grown in soak.grown():
                self.wrong("memory, disk and connections do not grow", what=grown)
            await self._check(cluster, actors, log_from=(began + time.time()) / 2 + LOG_S)
        finally:
            for task in background:
                task.cancel()
            self.summary.take(self.history, actors, self.fault_timeline)
            if self.soaking and soak.samples:
                self.log(f"plotted: {soak.draw().name}")

    async def _inject_faults(self, actors: Actors) -> None:
        """Run generator, monitor and nemesis until the time is over or one of them fails."""
        minutes = "until Ctrl-C" if math.isinf(self.seconds) else f"for {self.seconds / 60:.1f} minutes"
        self.log(f"injecting faults {minutes}, seed {self.seed}: {', '.join(self.summary.kinds)}")
        injecting = [
            asyncio.create_task(actors.generator.run(self.ending)),
            asyncio.create_task(actors.monitor.run(self.seed, self.ending)),
            asyncio.create_task(actors.nemesis.run(self.ending)),
        ]
        timeout_s = None if math.isinf(self.seconds) else self.seconds
        await asyncio.wait(injecting, timeout=timeout_s, return_when=asyncio.FIRST_EXCEPTION)
        actors.client.stopping = self.ending
        self.ending.set()
        await asyncio.gather(*injecting)
        await asyncio.gather(*actors.operations.background)

    async def _heal(self, cluster: Cluster, actors: Actors) -> None:
        """Wait for recovery, resolve open operations, and wait until the log is consumed."""
        last_attempt, actors.client.stopping = time.time(), asyncio.Event()
        self.log("recovering")
        if problem := await actors.nemesis.recovered():
            self.wrong("everything recovers", missing=problem)
        await Reconciliation(actors.operations).run(last_attempt)
        self.log("draining")
        if left := await drained(cluster.direct["kafka"], cluster.direct["mongod"]):
            self.wrong("the log is consumed and the outboxes are empty", left=left)

    async def _check(self, cluster: Cluster, actors: Actors, log_from: float) -> None:
        ask = StoryChecks(actors.client, actors.model, self.wrong, actors.monitor.endpoints)
        counts, erasure = CountChecks(ask), ErasureChecks(ask, cluster.settings)
        records, leftovers = actors.records, LeftoverChecks(ask, actors.recorder)
        webhooks = WebhookChecks(ask, actors.operations, actors.webhooks, actors.recorder.published)
        authors = AuthorChecks(ask, self.fault_timeline.calm)
        live = LiveChecks(ask, actors.operations, actors.live)
        actors.live.leave_intact()
        checks: dict[str, Callable[[], Awaitable[None]]] = {
            "an endpoint that hangs delays no other": webhooks.isolated,
            "scheduled stories go live at their time": authors.schedules,
            "no repost outlives its original": authors.reposts,
            "publishes are live, ended or rejected": ask.publishes,
            "each story once where it may be seen": ask.reels,
            "live clients are told of a new story": live.told,
            "live clients know what trays show": live.current,
            "counts of live stories": counts.live,
            "counts of ended stories": lambda: counts.ended(
                cluster.settings["MONGO_URL"],
                self.fault_timeline.calm,
                actors.webhooks.healthy.last("story-insights-sealed"),
            ),
            "reports": counts.reports,
            "no early endings": leftovers.ends,
            "archives": authors.archives,
            "complete receipts": erasure.receipts,
            "databases without ended stories": erasure.databases,
            "bucket without orphans and gaps": erasure.bucket,
            "exactly the invalid records are dead-lettered": lambda: leftovers.dead_letter(records.invalid_keys),
            "idempotency keys": leftovers.keys,
            "webhooks": webhooks.delivered,
            "log without ended stories": lambda: erasure.log(actors.recorder, records.republished, log_from),
        }
        for name, check in checks.items():
            self.log(f"checking: {name}")
            before = len(self.summary.violations)
            await check()
            self.summary.checks[name] = len(self.summary.violations) - before
        self.summary.cleared = erasure.cleared

"""One process: connections, consumers, loops, health and the application that holds them together."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from datetime import timedelta
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from aiokafka.errors import KafkaError
from fastapi import APIRouter, FastAPI
from faststream.kafka import KafkaBroker, KafkaRouter
from faststream.kafka.prometheus import KafkaPrometheusMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from stories_shared.auth.jwks import keys_from
from stories_shared.auth.tickets import Tickets
from stories_shared.auth.tokens import Authenticator
from stories_shared.clock import Clock, system_now
from stories_shared.errors import KAFKA, Unavailable
from stories_shared.http.app import install
from stories_shared.http.drain_body import HeardOut
from stories_shared.http.rate_limits import Limits
from stories_shared.kafka.client import Consumer, Kafka
from stories_shared.kafka.log_tail import Tail
from stories_shared.kafka.publisher import Publisher
from stories_shared.kafka.subscriber import Fates
from stories_shared.kafka.topics import Topics, missing_topics
from stories_shared.mongo.client import Mongo
from stories_shared.mongo.outbox import Outbox
from stories_shared.runtime import consumer_monitor, health
from stories_shared.runtime.background_tasks import Loops
from stories_shared.runtime.clock_guard import Aside
from stories_shared.runtime.logging import logger
from stories_shared.runtime.metrics import Catalogue, CommonMetrics, expect
from stories_shared.runtime.middleware import Counted, RequestIds, TimeGate
from stories_shared.runtime.mongo_metrics import CommandTimes
from stories_shared.runtime.raw_route_middleware import HotRoutes
from stories_shared.runtime.settings import Settings
from stories_shared.runtime.watchdog import Watchdog
from stories_shared.timeouts import within

log = logger(__name__)

# While the broker is away every group asks for it this often; at the default of 100 ms they fill the processor.
RETRY_MS = 300
CONNECT_AGAIN_S, CONNECT_WITHIN_S = 1.0, 60.0
# Of the ten seconds that a stop may take: running batches while open requests are answered, then leaving the groups;
# then what the publisher holds, then each connection.
DRAIN_S, LEAVE_S = 3.5, 1.0
FLUSH_S, CLOSE_S = 1.0, 0.5
# How soon a partition that was added is found: what is written to it waits for so long.
NEW_PARTITIONS_MS = 2_000
LOOP_LOOK = timedelta(milliseconds=250)


class Foundation:
    """What a service's ``build_app`` puts its own parts on.

    Args:
        service: its name: the publisher's source, the groups' first word.
        settings: read from the environment by the caller.
        catalogue: where the service has put its own metrics.
        now: the clock of everything.
    """

    def __init__(self, service: str, settings: Settings, catalogue: Catalogue, now: Clock = system_now) -> None:
        self.service = service
        self.settings = settings
        self.catalogue = catalogue
        self.now = now
        self.metrics = CommonMetrics(catalogue)
        self.kafka = Kafka.of(settings)
        self.mongo = Mongo.of(settings, now, [CommandTimes(self.metrics)])
        self.publisher = Publisher(self.kafka, service, now, observe=self._observe(KAFKA))
        self.fates = Fates(self.publisher, self.metrics, now)
        self.broker = KafkaBroker(
            settings.kafka_bootstrap_servers,
            security=self.kafka.security,
            client_id=f"stories-{service}",
            allow_auto_create_topics=False,
            metadata_max_age_ms=NEW_PARTITIONS_MS,
            graceful_timeout=DRAIN_S,
            retry_backoff_ms=RETRY_MS,
            middlewares=[
                KafkaPrometheusMiddleware(registry=catalogue.registry, app_name=service, metrics_prefix="faststream")
            ],
            logger=None,
        )
        self.broker.context.set_global("fates", self.fates)
        self.authenticator = Authenticator(
            keys_from(settings.auth_jwks, now, settings.ca_bundle),
            settings.auth_issuer,
            settings.auth_audience,
            settings.auth_user_claim,
            now,
        )
        self.tickets = Tickets(settings.ticket_secrets)
        self.loops, self.work = Loops(), Loops()
        self.health = health.Health(self.mongo, self.metrics)
        self.aside = Aside(self.health, self.work, self._leave)
        self.watch = consumer_monitor.ConsumerWatch(self.kafka, self.fates, self.metrics, now)
        self.watchdog = Watchdog()
        self.outboxes: list[Outbox] = []
        self.connected = False
        self.kafka_problem: str | None = "not connected yet"
        self._leaving: asyncio.Task[None] | None = None
        self._at_stop: list[Callable[[], None]] = []
        self._closers: list[Callable[[], Coroutine[Any, Any, None]]] = []

    def job(self, name: str, run: Callable[[], Awaitable[object]], turns: Callable[[], int] | None = None) -> None:
        """A loop that runs for ever by itself; restarted with backoff when it fails.

        Args:
            name: for logs.
            run: the loop.
            turns: how many turns it has taken; a loop that takes none for two minutes hangs.
        """
        self.work.job(name, run, turns)

    def sweep(self, name: str, every: timedelta, turn: Callable[[], Awaitable[object]]) -> None:
        """A bounded turn that is called again and again; one that returns True has more to do."""
        self.work.sweep(name, every, turn)

    def gate(self, name: str, ready: health.Gate) -> None:
        """A further condition of readiness."""
        self.health.gate(name, ready)

    def note(self, name: str, well: health.Gate) -> None:
        """A dependency without which most is served: readiness names it and stays."""
        self.health.note(name, well)

    def outbox(self, outbox: Outbox) -> None:
        """Run a relay and measure it."""
        self.outboxes.append(outbox)
        self.work.job(f"relay-{outbox.name}", outbox.run, lambda: outbox.turns)

    def tail(self, tail: Tail) -> None:
        """Run a log reader, measure its lag, and be unready until it has caught up."""
        self.watch.tails.append(tail)
        self.work.job(f"tail-{tail.name}", tail.run, lambda: tail.turns)
        self.gate(tail.name, lambda: None if tail.ready else "still loading")

    def on_stop(self, begin: Callable[[], None]) -> None:
        """Something to be told that the process stops, while open requests are still answered: do not keep them."""
        self._at_stop.append(begin)

    def on_close(self, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Something to be closed at the very end."""
        self._closers.append(close)

    def observe(self, dependency: str) -> Callable[[str, float, str], None]:
        """A hook that counts calls of a dependency: operation, seconds, outcome."""
        return self._observe(dependency)

    def app(self, title: str, *routers: APIRouter | KafkaRouter, **state: Any) -> FastAPI:
        """The application: its HTTP routes, its consumers, and a lifespan that starts and drains everything.

        Args:
            title: of the OpenAPI document.
            routers: HTTP ones and Kafka ones, in any order.
            state: further attributes of ``app.state`` (``limits=…``).
        """
        app = FastAPI(
            title=title,
            version=version_of(self.service),
            lifespan=self._lifespan,
            docs_url=None,
            redoc_url=None,
            openapi_url="/openapi.json",
        )
        install(app, self.authenticator, foundation=self, **state)
        app.add_middleware(TimeGate, health=self.health)
        app.add_middleware(Counted, metrics=self.metrics)
        app.add_middleware(HeardOut)
        app.add_middleware(RequestIds)
        for router in routers:
            if isinstance(router, KafkaRouter):
                self.broker.include_router(router, prefix=self.kafka.prefix)
            else:
                app.include_router(router)
        stack = app.build_middleware_stack  # what goes the short way passes by FastAPI's own middleware too
        app.build_middleware_stack = lambda: HotRoutes(stack(), app.routes, self.metrics, self.health)  # type: ignore[method-assign]
        for subscriber in self.subscribers:
            _, topic = subscriber.group_id.split(".", 1)
            subscriber.group_id = self.kafka.topic(subscriber.group_id)
            self.metrics.expect_group(subscriber.group_id, topic)
        if isinstance(limits := state.get("limits"), Limits):
            expect(self.metrics.rate_limited, limits.quotas)
        for path, answer in (("/livez", self._livez), ("/readyz", self._readyz), ("/metrics", self._metrics)):
            app.add_route(path, answer, methods=["GET"], include_in_schema=False)
        self.metrics.build_info.labels(version_of(self.service), self.settings.revision).set(1)
        self._watch_itself()
        return app

    @property
    def subscribers(self) -> list[Any]:
        """Every Kafka subscriber of this process."""
        return list(self.broker.subscribers)

    def begin_to_stop(self) -> asyncio.Task[None]:
        """Begin nothing new, and leave the groups while open requests are still answered; the end of the leaving."""
        if self._leaving is None:
            self.fates.stopping.set()
            self.gate("stopping", lambda: "stopping")
            for begin in self._at_stop:
                begin()
            self._leaving = asyncio.create_task(self._stop_consumers(), name="leaving")
        return self._leaving

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        self.loops.start()
        try:
            yield
        finally:
            await self.begin_to_stop()
            await asyncio.gather(self.work.stop(), self.loops.stop())
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await within(FLUSH_S, self.publisher.stop())
            for close in (*self._closers, self.mongo.close):
                with contextlib.suppress(TimeoutError):
                    await within(CLOSE_S, close())
            handled = {f"{group}/{place.partition}": at for (group, place), at in self.fates.handled.items()}
            log.info("stopped", handled=handled)

    def _watch_itself(self) -> None:
        self.gate("kafka", lambda: self.kafka_problem)
        self.gate("parking", lambda: ", ".join(self.fates.broken) or None)
        self.job("connect", self._connect)
        self.loops.job("aside", self.aside.run)
        self.loops.sweep("health", health.LOOK_EVERY, self.health.look)
        self.loops.sweep("consumers", consumer_monitor.LOOK_EVERY, self._look_at_kafka)
        self.loops.sweep("outboxes", timedelta(seconds=2), self._measure_outboxes)
        self.loops.job("event-loop", self._measure_loop)

    async def _connect(self) -> None:
        """Connect to Kafka as soon as it and every topic is there, however long that takes."""
        topics = Topics.for_settings(self.settings).of_service(self.service)
        while not self.connected and not self.fates.stopping.is_set():
            try:
                missing = await missing_topics(self.kafka, topics)
                if missing:
                    self.kafka_problem = "missing topics: " + ", ".join(missing[:10])
                else:
                    await self.publisher.start()
                    await within(CONNECT_WITHIN_S, self._start_consumers())
                    self.connected, self.kafka_problem = True, None
                    log.info("connected")
                    return
            except (KafkaError, Unavailable, OSError) as error:
                self.kafka_problem = f"no answer: {type(error).__name__}"
                await self._stop_consumers()
            await asyncio.sleep(CONNECT_AGAIN_S)

    async def _start_consumers(self) -> None:
        """Join every group at once: one after the other, as the broker would, takes seconds."""
        await self.broker.connect()
        made: Any = self.broker.config.broker_config
        made.builder = partial(Consumer, **made.builder.keywords)
        outcomes = await asyncio.gather(
            *(subscriber.start() for subscriber in self.subscribers), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        self.broker.running = True

    async def _stop_consumers(self) -> None:
        with contextlib.suppress(KafkaError, OSError, TimeoutError, ExceptionGroup):
            await within(DRAIN_S + LEAVE_S, self.broker.stop())

    async def _leave(self) -> None:
        """Step out of every group; the connecting loop leads back in."""
        self.connected, self.kafka_problem = False, "stepped aside"
        await self._stop_consumers()
        self.watch.forget()

    async def _look_at_kafka(self) -> None:
        if not self.connected or self.fates.stopping.is_set():
            return
        answered = await self.watch.look(self.subscribers)
        self.kafka_problem = None if answered else "no answer"

    async def _measure_outboxes(self) -> None:
        pending, oldest = 0, 0.0
        for outbox in self.outboxes:
            count, waited = await outbox.pending()
            pending, oldest = pending + count, max(oldest, waited)
        self.metrics.outbox_pending.set(pending)
        self.metrics.outbox_oldest.set(oldest)

    async def _measure_loop(self) -> None:
        pause = LOOP_LOOK.total_seconds()
        while True:
            began = time.monotonic()
            await asyncio.sleep(pause)
            self.metrics.loop_delay.observe(max(0.0, time.monotonic() - began - pause))
            self.watchdog.report(self._hanging())

    def _observe(self, dependency: str) -> Callable[[str, float, str], None]:
        def observe(operation: str, seconds: float, outcome: str) -> None:
            self.metrics.dependency_duration.labels(dependency, operation, outcome).observe(seconds)

        return observe

    def _hanging(self) -> list[str]:
        return (
            self.loops.hanging()
            + self.aside.hanging()
            + [f"consumer {group} ({why})" for group, why in self.watch.stuck().items()]
        )

    async def _livez(self, _request: Request) -> Response:
        hanging = self.watchdog.alarming
        return JSONResponse({"hanging": hanging}, 503 if hanging else 200)

    async def _readyz(self, request: Request) -> Response:
        """``?exclude=kafka`` forgives one: what all replicas lack is no reason to send nothing to any of them."""
        problems = self.health.problems()
        self.metrics.ready.set(0 if problems else 1)
        for name in request.query_params.getlist("exclude"):
            problems.pop(name, None)
        answer = {"ready": not problems, "problems": problems, "impaired": self.health.impaired()}
        return JSONResponse(answer, 503 if problems else 200)

    async def _metrics(self, _request: Request) -> Response:
        return Response(self.catalogue.page(), media_type="text/plain; version=0.0.4")


def version_of(service: str) -> str:
    """The version of the service's distribution, or 0 where it runs from a bare tree."""
    try:
        return version(f"stories-{service}")
    except PackageNotFoundError:
        return "0"

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
from stories_shared.http.app import configure_app
from stories_shared.http.drain_body import DrainBodyMiddleware
from stories_shared.http.rate_limits import RateLimits
from stories_shared.kafka.client import Consumer, Kafka
from stories_shared.kafka.log_tail import LogTail
from stories_shared.kafka.publisher import Publisher
from stories_shared.kafka.subscriber import ConsumerContext
from stories_shared.kafka.topics import Topics, missing_topics
from stories_shared.mongo.client import Mongo
from stories_shared.mongo.outbox import Outbox
from stories_shared.runtime import consumer_monitor, health
from stories_shared.runtime.background_tasks import TaskSupervisor
from stories_shared.runtime.clock_guard import ClockGuard
from stories_shared.runtime.logging import logger
from stories_shared.runtime.metrics import CommonMetrics, MetricsRegistry, preinitialize
from stories_shared.runtime.middleware import ClockSkewMiddleware, RequestIdMiddleware, RequestMetricsMiddleware
from stories_shared.runtime.mongo_metrics import MongoCommandMetrics
from stories_shared.runtime.raw_route_middleware import RawRouteMiddleware
from stories_shared.runtime.settings import Settings
from stories_shared.runtime.watchdog import Watchdog
from stories_shared.timeouts import wait_at_most

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
LOOP_CHECK_EVERY = timedelta(milliseconds=250)


class ServiceRuntime:
    """What a service's ``build_app`` puts its own parts on.

    Args:
        service: its name: the publisher's source, the groups' first word.
        settings: read from the environment by the caller.
        registry: where the service has put its own metrics.
        now: the clock of everything.
    """

    def __init__(self, service: str, settings: Settings, registry: MetricsRegistry, now: Clock = system_now) -> None:
        self.service = service
        self.settings = settings
        self.registry = registry
        self.now = now
        self.metrics = CommonMetrics(registry)
        self.kafka = Kafka.of(settings)
        self.mongo = Mongo.of(settings, now, [MongoCommandMetrics(self.metrics)])
        self.publisher = Publisher(self.kafka, service, now, observe=self._observe(KAFKA))
        self.consumer_context = ConsumerContext(self.publisher, self.metrics, now)
        self.broker = KafkaBroker(
            settings.kafka_bootstrap_servers,
            security=self.kafka.security,
            client_id=f"stories-{service}",
            allow_auto_create_topics=False,
            metadata_max_age_ms=NEW_PARTITIONS_MS,
            graceful_timeout=DRAIN_S,
            retry_backoff_ms=RETRY_MS,
            middlewares=[
                KafkaPrometheusMiddleware(registry=registry.registry, app_name=service, metrics_prefix="faststream")
            ],
            logger=None,
        )
        self.broker.context.set_global("consumer_context", self.consumer_context)
        self.authenticator = Authenticator(
            keys_from(settings.auth_jwks, now, settings.ca_bundle),
            settings.auth_issuer,
            settings.auth_audience,
            settings.auth_user_claim,
            now,
        )
        self.tickets = Tickets(settings.ticket_secrets)
        self.loops, self.work = TaskSupervisor(), TaskSupervisor()
        self.health = health.Health(self.mongo, self.metrics)
        self.aside = ClockGuard(self.health, self.work, self._leave)
        self.watch = consumer_monitor.ConsumerMonitor(self.kafka, self.consumer_context, self.metrics, now)
        self.watchdog = Watchdog()
        self.outboxes: list[Outbox] = []
        self.connected = False
        self.kafka_problem: str | None = "not connected yet"
        self._leaving: asyncio.Task[None] | None = None
        self._at_stop: list[Callable[[], None]] = []
        self._closers: list[Callable[[], Coroutine[Any, Any, None]]] = []

    def background_task(
        self, name: str, run: Callable[[], Awaitable[object]], turns: Callable[[], int] | None = None
    ) -> None:
        """A loop that runs for ever by itself; restarted with backoff when it fails.

        Args:
            name: for logs.
            run: the loop.
            turns: how many turns it has taken; a loop that takes none for two minutes hangs.
        """
        self.work.background_task(name, run, turns)

    def periodic(self, name: str, every: timedelta, turn: Callable[[], Awaitable[object]]) -> None:
        """A bounded turn that is called again and again; one that returns True has more to do."""
        self.work.periodic(name, every, turn)

    def readiness_check(self, name: str, ready: health.Check) -> None:
        """A further condition of readiness."""
        self.health.readiness_check(name, ready)

    def degraded_check(self, name: str, well: health.Check) -> None:
        """A dependency without which most is served: readiness names it and stays."""
        self.health.degraded_check(name, well)

    def outbox(self, outbox: Outbox) -> None:
        """Run a relay and measure it."""
        self.outboxes.append(outbox)
        self.work.background_task(f"relay-{outbox.name}", outbox.run, lambda: outbox.turns)

    def tail(self, tail: LogTail) -> None:
        """Run a log reader, measure its lag, and be unready until it has caught up."""
        self.watch.tails.append(tail)
        self.work.background_task(f"tail-{tail.name}", tail.run, lambda: tail.turns)
        self.readiness_check(tail.name, lambda: None if tail.ready else "still loading")

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
        configure_app(app, self.authenticator, runtime=self, **state)
        app.add_middleware(ClockSkewMiddleware, health=self.health)
        app.add_middleware(RequestMetricsMiddleware, metrics=self.metrics)
        app.add_middleware(DrainBodyMiddleware)
        app.add_middleware(RequestIdMiddleware)
        for router in routers:
            if isinstance(router, KafkaRouter):
                self.broker.include_router(router, prefix=self.kafka.prefix)
            else:
                app.include_router(router)
        stack = app.build_middleware_stack  # what goes the short way passes by FastAPI's own middleware too
        app.build_middleware_stack = lambda: RawRouteMiddleware(stack(), app.routes, self.metrics, self.health)  # type: ignore[method-assign]
        for subscriber in self.subscribers:
            _, topic = subscriber.group_id.split(".", 1)
            subscriber.group_id = self.kafka.topic(subscriber.group_id)
            self.metrics.expect_group(subscriber.group_id, topic)
        if isinstance(limits := state.get("limits"), RateLimits):
            preinitialize(self.metrics.rate_limited, limits.quotas)
        for path, answer in (("/livez", self._livez), ("/readyz", self._readyz), ("/metrics", self._metrics)):
            app.add_route(path, answer, methods=["GET"], include_in_schema=False)
        self.metrics.build_info.labels(version_of(self.service), self.settings.revision).set(1)
        self._watch_itself()
        return app

    @property
    def subscribers(self) -> list[Any]:
        """Every Kafka subscriber of this process."""
        return list(self.broker.subscribers)

    def begin_shutdown(self) -> asyncio.Task[None]:
        """Begin nothing new, and leave the groups while open requests are still answered; the end of the leaving."""
        if self._leaving is None:
            self.consumer_context.stopping.set()
            self.readiness_check("stopping", lambda: "stopping")
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
            await self.begin_shutdown()
            await asyncio.gather(self.work.stop(), self.loops.stop())
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await wait_at_most(FLUSH_S, self.publisher.stop())
            for close in (*self._closers, self.mongo.close):
                with contextlib.suppress(TimeoutError):
                    await wait_at_most(CLOSE_S, close())
            handled = {f"{group}/{place.partition}": at for (group, place), at in self.consumer_context.handled.items()}
            log.info("stopped", handled=handled)

    def _watch_itself(self) -> None:
        self.readiness_check("kafka", lambda: self.kafka_problem)
        self.readiness_check("dead-lettering", lambda: ", ".join(self.consumer_context.broken) or None)
        self.background_task("connect", self._connect)
        self.loops.background_task("aside", self.aside.run)
        self.loops.periodic("health", health.CHECK_EVERY, self.health.look)
        self.loops.periodic("consumers", consumer_monitor.CHECK_EVERY, self._look_at_kafka)
        self.loops.periodic("outboxes", timedelta(seconds=2), self._measure_outboxes)
        self.loops.background_task("event-loop", self._measure_loop)

    async def _connect(self) -> None:
        """Connect to Kafka as soon as it and every topic is there, however long that takes."""
        topics = Topics.for_settings(self.settings).of_service(self.service)
        while not self.connected and not self.consumer_context.stopping.is_set():
            try:
                missing = await missing_topics(self.kafka, topics)
                if missing:
                    self.kafka_problem = "missing topics: " + ", ".join(missing[:10])
                else:
                    await self.publisher.start()
                    await wait_at_most(CONNECT_WITHIN_S, self._start_consumers())
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
            await wait_at_most(DRAIN_S + LEAVE_S, self.broker.stop())

    async def _leave(self) -> None:
        """Step out of every group; the connecting loop leads back in."""
        self.connected, self.kafka_problem = False, "stepped aside"
        await self._stop_consumers()
        self.watch.forget()

    async def _look_at_kafka(self) -> None:
        if not self.connected or self.consumer_context.stopping.is_set():
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
        pause = LOOP_CHECK_EVERY.total_seconds()
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
            self.loops.stalled()
            + self.aside.stalled()
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
        return Response(self.registry.page(), media_type="text/plain; version=0.0.4")


def version_of(service: str) -> str:
    """The version of the service's distribution, or 0 where it runs from a bare tree."""
    try:
        return version(f"stories-{service}")
    except PackageNotFoundError:
        return "0"

"""The runtime of a service process: connections, consumers, background tasks, health checks and the application."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine
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
from stories_shared.concurrency import gather_all
from stories_shared.errors import JWKS, KAFKA, Unavailable
from stories_shared.events.cloudevents import ReceivedEvent, Tombstone
from stories_shared.http.app import configure_app
from stories_shared.http.drain_body import DrainBodyMiddleware
from stories_shared.http.rate_limits import RateLimits
from stories_shared.kafka.client import Consumer, Kafka
from stories_shared.kafka.consumer_context import ConsumerContext
from stories_shared.kafka.log_tail import Apply, LogTail
from stories_shared.kafka.publisher import Publisher
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
from stories_shared.tls import refused_certificate
from stories_shared.tracing.tracer import tracer_for

log = logger(__name__)

# Retry interval of every group while the broker is down; the default of 100 ms uses all of the CPU.
RETRY_MS = 300
CONNECT_RETRY_S, CONNECT_TIMEOUT_S = 1.0, 60.0
# Deadlines within the ten seconds of a shutdown: batches in progress (beside open requests), then leaving the groups;
# then the publisher's buffer, then each connection.
DRAIN_S, LEAVE_S = 3.5, 1.0
FLUSH_S, CLOSE_S = 1.0, 0.5
# How soon an added partition is discovered.
NEW_PARTITIONS_MS = 2_000
LOOP_CHECK_EVERY = timedelta(milliseconds=250)


class ServiceRuntime:
    """The runtime to which a service's ``build_app`` adds its own parts.

    Args:
        service: its name: the publisher's source and the first part of consumer groups.
        settings: read from the environment by the caller.
        registry: holds the service's own metrics.
        now: the clock.
    """

    def __init__(self, service: str, settings: Settings, registry: MetricsRegistry, now: Clock = system_now) -> None:
        self.service = service
        self.settings = settings
        self.registry = registry
        self.now = now
        self.metrics = CommonMetrics(registry)
        self.kafka = Kafka.of(settings)
        self.tracer = tracer_for(service, version_of(service), settings.otel_exporter_otlp_endpoint)
        self.mongo = Mongo.of(settings, now, [MongoCommandMetrics(self.metrics), *self.tracer.mongo_listeners])
        self.publisher = Publisher(self.kafka, service, now, observe=self.observe(KAFKA), tracer=self.tracer)
        self.consumer_context = ConsumerContext(self.publisher, self.metrics, now)
        self.broker = KafkaBroker(
            self.kafka.brokers,
            security=self.kafka.security,
            client_id=f"stories-{service}",
            allow_auto_create_topics=False,
            graceful_timeout=DRAIN_S,
            retry_backoff_ms=RETRY_MS,
            middlewares=[
                KafkaPrometheusMiddleware(registry=registry.registry, app_name=service, metrics_prefix="faststream")
            ],
            logger=None,
        )
        self.broker.context.set_global("consumer_context", self.consumer_context)
        self.authenticator = Authenticator(
            keys_from(settings.auth_jwks, now, settings.ca_bundle, self.observe(JWKS)),
            settings.auth_issuer,
            settings.auth_audience,
            settings.auth_user_claim,
            now,
        )
        self.tickets = Tickets(settings.ticket_secrets)
        self.system_tasks, self.guarded_tasks = TaskSupervisor(), TaskSupervisor()
        self.background_task, self.periodic = self.guarded_tasks.background_task, self.guarded_tasks.periodic
        self.health = health.Health(self.mongo, self.metrics)
        self.readiness_check, self.degraded_check = self.health.readiness_check, self.health.degraded_check
        self.clock_guard = ClockGuard(self.health, self.guarded_tasks, self._leave_groups)
        self.consumer_monitor = consumer_monitor.ConsumerMonitor(self.kafka, self.consumer_context, self.metrics)
        self.watchdog = Watchdog()
        self.outboxes: list[Outbox] = []
        self.connected = False
        self.kafka_problem: str | None = "not connected yet"
        self._shutdown_task: asyncio.Task[None] | None = None
        self._stop_callbacks: list[Callable[[], None]] = []
        self._close_callbacks: list[Callable[[], Coroutine[Any, Any, None]]] = []

    def outbox(self, outbox: Outbox) -> None:
        """Run the relay of an outbox and measure its backlog."""
        self.outboxes.append(outbox)
        self.background_task(f"relay-{outbox.name}", outbox.run, lambda: outbox.iterations)

    def tail(self, tail: LogTail) -> None:
        """Run a log tail, measure its lag, and be unready until it has caught up."""
        self.consumer_monitor.tails.append(tail)
        if self.tracer.makes_spans:
            tail.apply = self._with_span(tail.apply, tail.name)
        self.background_task(f"tail-{tail.name}", tail.run, lambda: tail.iterations)
        self.readiness_check(tail.name, lambda: None if tail.ready else "still loading")

    def on_stop(self, begin: Callable[[], None]) -> None:
        """Add a callback for the start of the shutdown, while open requests are still answered. It must not block."""
        self._stop_callbacks.append(begin)

    def on_close(self, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Add something to close at the end of the shutdown."""
        self._close_callbacks.append(close)

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
        stack = app.build_middleware_stack  # raw routes bypass FastAPI's own middleware too
        app.build_middleware_stack = lambda: self.tracer.around(  # type: ignore[method-assign]
            RawRouteMiddleware(stack(), app.routes, self.metrics, self.health)
        )
        for subscriber in self.subscribers:
            _, topic = subscriber.group_id.split(".", 1)
            subscriber.group_id = self.kafka.topic(subscriber.group_id)
            self.metrics.expect_group(subscriber.group_id, topic)
        if isinstance(limits := state.get("limits"), RateLimits):
            preinitialize(self.metrics.rate_limited, limits.quotas)
        for path, answer in (("/livez", self._livez), ("/readyz", self._readyz), ("/metrics", self._metrics)):
            app.add_route(path, answer, methods=["GET"], include_in_schema=False)
        self.metrics.build_info.labels(version_of(self.service), self.settings.revision).set(1)
        self._add_runtime_tasks()
        return app

    @property
    def subscribers(self) -> list[Any]:
        """Every Kafka subscriber of this process."""
        return list(self.broker.subscribers)

    def begin_shutdown(self) -> asyncio.Task[None]:
        """Leave the groups while open requests are still answered. Returns the task that leaves them."""
        if self._shutdown_task is None:
            self.consumer_context.stopping.set()
            self.readiness_check("stopping", lambda: "stopping")
            for begin in self._stop_callbacks:
                begin()
            self._shutdown_task = asyncio.create_task(self._stop_consumers(), name="shutdown")
        return self._shutdown_task

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        self.system_tasks.start()
        try:
            yield
        finally:
            await self.begin_shutdown()
            await asyncio.gather(self.guarded_tasks.stop(), self.system_tasks.stop())
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await wait_at_most(FLUSH_S, self.publisher.stop())
            for close in (*self._close_callbacks, self.mongo.close):
                with contextlib.suppress(TimeoutError):
                    await wait_at_most(CLOSE_S, close())
            await asyncio.to_thread(self.tracer.close)
            handled = {f"{group}/{tp.partition}": at for (group, tp), at in self.consumer_context.handled.items()}
            log.info("stopped", handled=handled)

    def _add_runtime_tasks(self) -> None:
        self.readiness_check("kafka", lambda: self.kafka_problem)
        self.readiness_check("dead-lettering", lambda: ", ".join(self.consumer_context.broken) or None)
        self.background_task("connect", self._connect)
        self.system_tasks.background_task("clock-guard", self.clock_guard.run)
        self.system_tasks.periodic("health", health.CHECK_INTERVAL, self.health.check)
        self.system_tasks.periodic("consumers", consumer_monitor.CHECK_INTERVAL, self._check_consumers)
        self.system_tasks.periodic("outboxes", timedelta(seconds=2), self._measure_outboxes)
        self.system_tasks.background_task("event-loop", self._measure_event_loop)

    async def _connect(self) -> None:
        """Retry until Kafka answers and every topic exists, then start the publisher and the consumers."""
        topics = Topics.for_settings(self.settings).of_service(self.service)
        while not self.connected and not self.consumer_context.stopping.is_set():
            try:
                missing = await missing_topics(self.kafka, topics)
                if missing:
                    self.kafka_problem = "missing topics: " + ", ".join(missing[:10])
                else:
                    await self.publisher.start()
                    await wait_at_most(CONNECT_TIMEOUT_S, self._start_consumers())
                    self.connected, self.kafka_problem = True, None
                    log.info("connected")
                    return
            except (KafkaError, Unavailable, OSError) as error:
                self.kafka_problem = refused_certificate(error) or f"no answer: {type(error).__name__}"
                await self._stop_consumers()
            await asyncio.sleep(CONNECT_RETRY_S)

    async def _start_consumers(self) -> None:
        """Join all groups concurrently: FastStream's broker joins them one by one, which takes seconds.

        Only consumers refresh their metadata often: FastStream's producer, which is not used, asks for every topic.
        """
        await self.broker.connect()
        config: Any = self.broker.config.broker_config
        config.builder = partial(Consumer, **config.builder.keywords | {"metadata_max_age_ms": NEW_PARTITIONS_MS})
        await gather_all(subscriber.start() for subscriber in self.subscribers)
        self.broker.running = True

    async def _stop_consumers(self) -> None:
        with contextlib.suppress(KafkaError, OSError, TimeoutError, ExceptionGroup):
            await wait_at_most(DRAIN_S + LEAVE_S, self.broker.stop())

    async def _leave_groups(self) -> None:
        """Leave every group; ``_connect`` joins them again when the clock is right."""
        self.connected, self.kafka_problem = False, "paused: this clock is off"
        await self._stop_consumers()
        self.consumer_monitor.reset()

    async def _check_consumers(self) -> None:
        if not self.connected or self.consumer_context.stopping.is_set():
            return
        answered = await self.consumer_monitor.check(self.subscribers)
        self.kafka_problem = None if answered else "no answer"

    async def _measure_outboxes(self) -> None:
        pending, oldest = 0, 0.0
        for outbox in self.outboxes:
            count, waited = await outbox.pending()
            pending, oldest = pending + count, max(oldest, waited)
        self.metrics.outbox_pending.set(pending)
        self.metrics.outbox_oldest.set(oldest)

    async def _measure_event_loop(self) -> None:
        pause = LOOP_CHECK_EVERY.total_seconds()
        while True:
            began = time.monotonic()
            await asyncio.sleep(pause)
            self.metrics.loop_delay.observe(max(0.0, time.monotonic() - began - pause))
            self.watchdog.report(self._stalled())

    def observe(self, dependency: str) -> Callable[[str, float, str], None]:
        """A callback that measures calls of a dependency: operation, seconds, outcome."""

        def observe(operation: str, seconds: float, outcome: str) -> None:
            self.metrics.dependency_duration.labels(dependency, operation, outcome).observe(seconds)

        def observe_with_span(operation: str, seconds: float, outcome: str) -> None:
            observe(operation, seconds, outcome)
            self.tracer.record_call(dependency, operation, seconds, outcome)

        return observe_with_span if self.tracer.makes_spans else observe

    def _with_span(self, apply: Apply, name: str) -> Apply:
        """Applies a log's events with a span for each one that belongs to a trace."""

        def traced(received: ReceivedEvent[Any] | Tombstone) -> None:
            parent = getattr(received, "traceparent", None)
            if parent is None:
                apply(received)
                return
            with self.tracer.span(f"apply {received.topic}", "consumer", [parent], {"stories.log_tail": name}):
                apply(received)

        return traced

    def _stalled(self) -> list[str]:
        return (
            self.system_tasks.stalled()
            + self.clock_guard.stalled()
            + [f"consumer {group} ({why})" for group, why in self.consumer_monitor.stalled().items()]
        )

    async def _livez(self, _request: Request) -> Response:
        stalled = self.watchdog.stalled
        return JSONResponse({"hanging": stalled}, 503 if stalled else 200)

    async def _readyz(self, request: Request) -> Response:
        """``?exclude=kafka`` ignores a check: a dependency that all replicas lack should not stop all traffic."""
        failing = self.health.failing()
        self.metrics.ready.set(0 if failing else 1)
        for name in request.query_params.getlist("exclude"):
            failing.pop(name, None)
        answer = {"ready": not failing, "problems": failing, "impaired": self.health.degraded()}
        return JSONResponse(answer, 503 if failing else 200)

    async def _metrics(self, _request: Request) -> Response:
        return Response(self.registry.page(), media_type="text/plain; version=0.0.4")


def version_of(service: str) -> str:
    """The version of the service's distribution, or 0 where it runs from a bare tree."""
    try:
        return version(f"stories-{service}")
    except PackageNotFoundError:
        return "0"

"""Metrics of every service: each has the prefix ``stories_`` and one sentence that an operator can act on."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from stories_shared.errors import JWKS, KAFKA, MONGODB, S3

PREFIX = "stories"
BUCKETS_1MIN = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
BUCKETS_1H = (*BUCKETS_1MIN, 120.0, 300.0, 900.0, 1800.0, 3600.0)
DEAD_LETTER_REASONS = ("unreadable", "invalid", "bug")


class MetricsRegistry:
    """The metrics of one process, in a registry of their own, so that tests can make as many as they like."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def counter(self, name: str, sentence: str, labels: Sequence[str] = ()) -> Counter:
        """A count that only grows; ``name`` without prefix and without ``_total``."""
        return Counter(name.removesuffix("_total"), sentence, labels, namespace=PREFIX, registry=self.registry)

    def gauge(self, name: str, sentence: str, labels: Sequence[str] = ()) -> Gauge:
        """A value that goes up and down."""
        return Gauge(name, sentence, labels, namespace=PREFIX, registry=self.registry)

    def histogram(
        self, name: str, sentence: str, labels: Sequence[str] = (), buckets: Sequence[float] = BUCKETS_1MIN
    ) -> Histogram:
        """A distribution; by default in seconds, with buckets from 1 ms to 60 s."""
        return Histogram(name, sentence, labels, namespace=PREFIX, registry=self.registry, buckets=buckets)

    def page(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self.registry)


class CommonMetrics:
    """What every service measures."""

    def __init__(self, registry: MetricsRegistry) -> None:
        self.build_info = registry.gauge(
            "build_info", "Which version of the service runs here; always 1.", ["version", "revision"]
        )
        self.ready = registry.gauge("ready", "1 while this process takes traffic; if 0, see /readyz.")
        self.http_requests = registry.counter("http_requests", "Requests answered.", ["method", "route", "status"])
        self.http_duration = registry.histogram(
            "http_request_duration_seconds", "How long requests took to answer.", ["method", "route"]
        )
        self._answered: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.http_in_flight = registry.gauge("http_requests_in_flight", "Requests being answered now.")
        self.consumer_lag = registry.gauge(
            "consumer_lag_records",
            "Records of a partition that this consumer has not handled.",
            ["group", "topic", "partition"],
        )
        self.consumer_oldest = registry.gauge(
            "consumer_oldest_unhandled_seconds",
            "How long the oldest unhandled record has waited; growing means a stuck consumer.",
            ["group", "topic"],
        )
        self.event_age = registry.histogram(
            "event_age_seconds", "From an event's publication to its handling.", ["group", "topic"], BUCKETS_1H
        )
        self.consumer_waiting = registry.gauge(
            "consumer_waiting", "1 while a consumer waits for a dependency to come back.", ["group", "dependency"]
        )
        self.dead_lettered = registry.counter(
            "dead_lettered",
            "Records moved to a dead-letter topic; inspect each of them.",
            ["group", "topic", "reason"],
        )
        self.dependency_duration = registry.histogram(
            "dependency_duration_seconds",
            "How long calls of a dependency took.",
            ["dependency", "operation", "outcome"],
        )
        preinitialize(self.dependency_duration, ((JWKS, "fetch", outcome) for outcome in ("ok", "error")))
        self.loop_delay = registry.histogram(
            "event_loop_delay_seconds", "How late the event loop runs; much means CPU-bound work or a frozen process."
        )
        self.rate_limited = registry.counter("rate_limited", "Requests rejected by a rate limit.", ["limit"])
        self.outbox_pending = registry.gauge("outbox_pending", "Documents whose event is not published yet.")
        self.outbox_oldest = registry.gauge(
            "outbox_oldest_seconds", "How long the oldest pending event has waited; growing means Kafka refuses us."
        )
        self.clock_skew = registry.gauge(
            "clock_skew_seconds", "This clock minus MongoDB's; past 2 s the service stops consuming and answers 503."
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count and time a request; series are looked up once, since that takes longer than counting."""
        series = self._answered.get((method, route, status))
        if series is None:
            series = (
                self.http_requests.labels(method, route, str(status)),
                self.http_duration.labels(method, route),
            )
            self._answered[method, route, status] = series
        series[0].inc()
        series[1].observe(seconds)

    def expect_group(self, group: str, topic: str) -> None:
        """Begin a consumer group's series at zero."""
        self.event_age.labels(group, topic)
        preinitialize(self.dead_lettered, ((group, topic, reason) for reason in DEAD_LETTER_REASONS))
        preinitialize(self.consumer_waiting, ((group, dependency) for dependency in (MONGODB, S3, KAFKA)))


def observe_often(histogram: Histogram, values: Iterable[tuple[float, int]]) -> None:
    """Observe values, each so many times, at the cost of one observation each: a batch has few different ones."""
    for value, times in values:
        histogram._sum.inc(value * times)  # noqa: SLF001  (no public method counts more than one)
        bucket = bisect_left(histogram._upper_bounds, value)  # noqa: SLF001
        histogram._buckets[bucket].inc(times)  # noqa: SLF001


def preinitialize(metric: Counter | Gauge | Histogram, labels: Iterable[str | tuple[str, ...]]) -> None:
    """Begin the series of these label values at zero.

    A series that begins with its first event hides that event from every rate.
    """
    for values in labels:
        metric.labels(*((values,) if isinstance(values, str) else values))

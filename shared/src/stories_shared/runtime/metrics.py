"""The catalogue of metrics: every one has the prefix ``stories_`` and one sentence that an operator can act on."""

from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from stories_shared.errors import KAFKA, MONGODB, S3

PREFIX = "stories"
TO_A_MINUTE = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
TO_AN_HOUR = (*TO_A_MINUTE, 120.0, 300.0, 900.0, 1800.0, 3600.0)
WHY_PARKED = ("unreadable", "unacceptable", "bug")


class Catalogue:
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
        self, name: str, sentence: str, labels: Sequence[str] = (), buckets: Sequence[float] = TO_A_MINUTE
    ) -> Histogram:
        """A distribution; in seconds, buckets from 1 ms to 60 s, unless told otherwise."""
        return Histogram(name, sentence, labels, namespace=PREFIX, registry=self.registry, buckets=buckets)

    def page(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self.registry)


class CommonMetrics:
    """What every service measures."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.build_info = catalogue.gauge(
            "build_info", "Which version of the service runs here; always 1.", ["version", "revision"]
        )
        self.ready = catalogue.gauge("ready", "1 while this process takes traffic; 0 says look at /readyz.")
        self.http_requests = catalogue.counter("http_requests", "Requests answered.", ["method", "route", "status"])
        self.http_duration = catalogue.histogram(
            "http_request_duration_seconds", "How long requests took to answer.", ["method", "route"]
        )
        self._answered: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.http_in_flight = catalogue.gauge("http_requests_in_flight", "Requests being answered now.")
        self.consumer_lag = catalogue.gauge(
            "consumer_lag_records",
            "Records of a partition that this consumer has not handled.",
            ["group", "topic", "partition"],
        )
        self.consumer_oldest = catalogue.gauge(
            "consumer_oldest_unhandled_seconds",
            "How long the oldest unhandled record has waited; growing means a stuck consumer.",
            ["group", "topic"],
        )
        self.event_age = catalogue.histogram(
            "event_age_seconds", "From an event being said to its being handled.", ["group", "topic"], TO_AN_HOUR
        )
        self.consumer_waiting = catalogue.gauge(
            "consumer_waiting", "1 while a consumer waits for a dependency to come back.", ["group", "dependency"]
        )
        self.parked = catalogue.counter(
            "parked", "Records moved to a parked topic; any is worth a look.", ["group", "topic", "reason"]
        )
        self.dependency_duration = catalogue.histogram(
            "dependency_duration_seconds",
            "How long calls of a dependency took.",
            ["dependency", "operation", "outcome"],
        )
        self.loop_delay = catalogue.histogram(
            "event_loop_delay_seconds", "How late the event loop runs; much means CPU-bound work or a frozen process."
        )
        self.rate_limited = catalogue.counter(
            "rate_limited", "Requests refused because a user asked too often.", ["limit"]
        )
        self.outbox_pending = catalogue.gauge("outbox_pending", "Documents whose event is not said yet.")
        self.outbox_oldest = catalogue.gauge(
            "outbox_oldest_seconds", "How long the oldest unsaid event has waited; growing means Kafka refuses us."
        )
        self.clock_skew = catalogue.gauge(
            "clock_skew_seconds", "This clock minus MongoDB's; past 2 s the service steps aside."
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
        expect(self.parked, ((group, topic, reason) for reason in WHY_PARKED))
        expect(self.consumer_waiting, ((group, dependency) for dependency in (MONGODB, S3, KAFKA)))


def expect(metric: Counter | Gauge | Histogram, labels: Iterable[str | tuple[str, ...]]) -> None:
    """Begin the series of these label values at zero.

    One that begins with its first event hides that event from every rate, and nobody can tell "none" from "unknown".
    """
    for values in labels:
        metric.labels(*((values,) if isinstance(values, str) else values))

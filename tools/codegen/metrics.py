"""docs/metrics.md: every metric with its description, from the metric classes."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from prometheus_client import Counter, Gauge, Histogram
from stories_engagement.metrics import EngagementMetrics
from stories_expiry.metrics import ExpiryMetrics
from stories_feed.metrics import FeedMetrics
from stories_ingest.metrics import IngestMetrics
from stories_shared.runtime.metrics import CommonMetrics, MetricsRegistry

SERVICES: dict[str, Callable[[MetricsRegistry], object]] = {
    "every service": CommonMetrics,
    "ingest": IngestMetrics,
    "feed": FeedMetrics,
    "engagement": EngagementMetrics,
    "expiry": ExpiryMetrics,
}
SAME_EVERYWHERE = frozenset(
    {
        "stories_outbox_pending",
        "stories_outbox_oldest_seconds",
        "stories_live_authors",
        "stories_live_stories",
        "stories_timers",
        "stories_timers_overdue",
        "stories_timer_oldest_overdue_seconds",
        "stories_receipts_open",
        "stories_receipt_oldest_seconds",
    }
)
HEAD = """# Metrics

For operators: every metric, generated from the code by `make docs`. Each service answers `GET /metrics` on its own
port; the gateway does not route it. The `job` label of a target is the name of its service in every scrape
configuration of this repository. Units are seconds and bytes. No label contains the id of a user or
story; unmatched routes are `route="unmatched"`.

Gauges marked † are the same on every replica: aggregate them with `max`, all others with `sum`. There are also the
process metrics of the Prometheus client, and FastStream's own under `faststream_`.

Series whose label values are known start at zero. Rules, alerts and dashboards that use these metrics:
[health and SLOs](operations/slo.md).
"""


class Metric(NamedTuple):
    """One row."""

    name: str
    kind: str
    labels: tuple[str, ...]
    sentence: str


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for title, kind in SERVICES.items():
        rows = [row(metric) for metric in metrics_of(kind)]
        heading = title[0].upper() + title[1:] if title == "every service" else title
        parts.append(
            "\n".join((f"## {heading}", "", "| metric | kind | what it tells |", "| --- | --- | --- |", *rows, ""))
        )
    return "\n".join(parts)


def row(metric: Metric) -> str:
    """One line of a table."""
    labels = "{" + ",".join(metric.labels) + "}" if metric.labels else ""
    mark = " †" if metric.name in SAME_EVERYWHERE else ""
    return f"| `{metric.name}{labels}`{mark} | {metric.kind} | {metric.sentence} |"


def metrics_of(kind: Callable[[MetricsRegistry], object]) -> Iterator[Metric]:
    """The metrics that a class creates, in order."""
    for made in vars(kind(MetricsRegistry())).values():
        if isinstance(made, Counter | Gauge | Histogram):
            yield described(made)


def described(made: Any) -> Metric:
    """A metric of the Prometheus client as a row; the client has no public way to read its labels."""
    name, sentence, labels = made._name, made._documentation, tuple(made._labelnames)  # noqa: SLF001
    if isinstance(made, Counter):
        return Metric(f"{name}_total", "counter", labels, sentence)
    if isinstance(made, Histogram):
        longest = [bound for bound in made._upper_bounds if bound != float("inf")][-1]  # noqa: SLF001
        return Metric(name, f"histogram to {longest:,.0f} s", labels, sentence)
    return Metric(name, "gauge", labels, sentence)

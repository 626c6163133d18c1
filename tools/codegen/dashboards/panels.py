"""What several dashboards share: quantiles, rates, and the rows that every service has."""

from .grafana import Panel, Query, Row

WINDOW = "[$__rate_interval]"


def legend(*by: str) -> str:
    """The values of these labels."""
    return " ".join(f"{{{{{label}}}}}" for label in by)


def aggregate(operator: str, metric: str, *by: str, only: str = "") -> Query:
    """The sum, minimum or maximum of a gauge by these labels. `only` are label matchers."""
    grouped = f" by ({', '.join(by)}) " if by else ""
    return Query(f"{operator}{grouped}({metric}{{{only}}})".replace("{}", ""), legend(*by))


def rate(metric: str, *by: str, only: str = "", function: str = "rate") -> Query:
    """Events per second, summed by these labels."""
    grouped = f" by ({', '.join(by)})" if by else ""
    return Query(f"sum{grouped} ({function}({metric}{{{only}}}{WINDOW}))".replace("{}", ""), legend(*by))


def increase(metric: str, *by: str, only: str = "") -> Query:
    """Events in the window, summed by these labels."""
    return rate(metric, *by, only=only, function="increase")


def quantile(q: float, metric: str, *by: str, only: str = "") -> Query:
    """A quantile of a histogram, by these labels."""
    return Query(f"histogram_quantile({q}, {rate(f'{metric}_bucket', *by, 'le', only=only)})", legend(*by))


def quantiles(metric: str, *by: str, only: str = "") -> list[Query]:
    """The p50 and p99 of a histogram, by these labels."""
    named = (quantile(q, metric, *by, only=only).named(f"{legend(*by)} p{q * 100:.0f}".strip()) for q in (0.5, 0.99))
    return list(named)


def of(job: str, *more: str) -> str:
    """Label matchers of the selected replicas of a service."""
    return ",".join((f'job="{job}"', 'instance=~"$instance"', *more))


def traffic(job: str) -> Row:
    """HTTP requests of a service."""
    requests, duration, only = "stories_http_requests_total", "stories_http_request_duration_seconds", of(job)
    failed = rate(requests, "method", "route", only=of(job, 'status=~"5.."'))
    return Row(
        "HTTP",
        [
            Panel(
                "Requests by route",
                "Requests per second by method and route.",
                "reqps",
                rate(requests, "method", "route", only=only),
            ),
            Panel(
                "5xx responses by route",
                "5xx responses per second. 503: a dependency is down or a partition is stale.",
                "reqps",
                failed.or_zero(rate(requests, "method", "route", only=only)),
            ),
            Panel(
                "Responses by status",
                "Responses per second by status. Many 404 on engagement: invalid tickets. 429: rate-limited clients.",
                "reqps",
                rate(requests, "status", only=only),
            ),
            Panel(
                "Request latency p99 by route",
                "p99 of the request duration. A publish request waits up to 30 s if its client asks for that.",
                "s",
                quantile(0.99, duration, "method", "route", only=only),
            ),
            Panel(
                "In-flight requests",
                "Requests in flight by replica. Growing without more traffic: requests wait for a dependency.",
                "short",
                aggregate("sum", "stories_http_requests_in_flight", "instance", only=only),
            ),
            Panel(
                "Rate-limited requests",
                "429 responses per second by limit.",
                "reqps",
                rate("stories_rate_limited_total", "limit", only=only),
            ),
        ],
    )


def consumers(job: str) -> Row:
    """Consumers of a service."""
    only = of(job)
    age = "stories_event_age_seconds"
    return Row(
        "Events",
        [
            Panel(
                "Records consumed",
                "Records processed per second by consumer group.",
                "cps",
                rate(f"{age}_count", "group", only=only),
            ),
            Panel(
                "Event latency p99",
                "p99 from publishing to processing, by consumer group. High after an outage, then falling.",
                "s",
                quantile(0.99, age, "group", only=only),
            ),
            Panel(
                "Consumer lag",
                "Records not processed yet, by consumer group and topic.",
                "short",
                aggregate("sum", "stories_consumer_lag_records", "group", "topic", only=only),
            ),
            Panel(
                "Oldest unprocessed record",
                "Age of the oldest unprocessed record. Growing: the consumer is stalled.",
                "s",
                aggregate("max", "stories_consumer_oldest_unhandled_seconds", "group", "topic", only=only),
                thresholds=[60],
            ),
            Panel(
                "Blocked consumers",
                "1 while a consumer waits for a dependency that is down.",
                "short",
                aggregate("max", "stories_consumer_waiting", "dependency", only=only),
            ),
            Panel(
                "Dead-lettered records",
                "Records moved to a dead-letter topic in the window. Inspect them with `stories dlq list`.",
                "short",
                increase("stories_dead_lettered_total", "topic", only=only),
            ),
        ],
    )


def process(job: str) -> Row:
    """Dependencies and process of a service."""
    only, calls = of(job), "stories_dependency_duration_seconds"
    return Row(
        "Dependencies and process",
        [
            Panel(
                "Dependency calls",
                "Calls per second by dependency and outcome.",
                "ops",
                rate(f"{calls}_count", "dependency", "outcome", only=only),
            ),
            Panel(
                "Dependency latency p99",
                "p99 by dependency and operation.",
                "s",
                quantile(0.99, calls, "dependency", "operation", only=only),
            ),
            Panel(
                "Outbox",
                "Documents with an event that is not published yet, and the age of the oldest (seconds).",
                "short",
                [
                    aggregate("max", "stories_outbox_pending", only=only).named("pending documents"),
                    aggregate("max", "stories_outbox_oldest_seconds", only=only).named("oldest (s)"),
                ],
            ),
            Panel(
                "Readiness",
                "1 while a replica is ready. `/readyz` returns the reason if it is not.",
                "short",
                aggregate("min", "stories_ready", "instance", only=only),
            ),
            Panel(
                "Event loop lag p99",
                "p99 of the event loop delay by replica. High: CPU-bound work or a frozen process.",
                "s",
                quantile(0.99, "stories_event_loop_delay_seconds", "instance", only=only),
            ),
            Panel(
                "Clock skew",
                "Difference from MongoDB's clock. Above 2 s a replica is not ready.",
                "s",
                Query(f"abs(stories_clock_skew_seconds{{{only}}})", "{{instance}}"),
                thresholds=[1, 2],
            ),
            Panel(
                "CPU",
                "CPU cores used by replica. A process uses at most one, its media workers more.",
                "short",
                Query(f"rate(process_cpu_seconds_total{{{only}}}{WINDOW})", "{{instance}}"),
            ),
            Panel(
                "Memory",
                "Resident memory by replica.",
                "bytes",
                Query(f"process_resident_memory_bytes{{{only}}}", "{{instance}}"),
            ),
            Panel(
                "Open file descriptors",
                "File descriptors by replica, mostly connections.",
                "short",
                Query(f"process_open_fds{{{only}}}", "{{instance}}"),
            ),
            Panel(
                "Versions",
                "Replicas by version. Two versions during a rollout.",
                "short",
                aggregate("sum", "stories_build_info", "version", "revision", only=only),
                kind="stat",
                width=12,
                height=4,
            ),
            Panel(
                "Uptime",
                "Time since each replica started.",
                "s",
                Query(f"time() - process_start_time_seconds{{{only}}}", "{{instance}}"),
                kind="stat",
                width=12,
                height=4,
            ),
        ],
    )

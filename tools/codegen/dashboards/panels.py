"""What several dashboards share: quantiles, rates, and the rows that every service has."""

from .grafana import Panel, Query, Row

WINDOW = "[$__rate_interval]"


def rate(metric: str, *by: str, only: str = "", function: str = "rate") -> str:
    """Events per second, summed by these labels. `only` are label matchers."""
    grouped = f" by ({', '.join(by)})" if by else ""
    return f"sum{grouped} ({function}({metric}{{{only}}}{WINDOW}))".replace("{}", "")


def increase(metric: str, *by: str, only: str = "") -> str:
    """Events in the window, summed by these labels."""
    return rate(metric, *by, only=only, function="increase")


def quantile(q: float, metric: str, *by: str, only: str = "") -> str:
    """A quantile of a histogram, by these labels."""
    return f"histogram_quantile({q}, {rate(f'{metric}_bucket', *by, 'le', only=only)})"


def quantiles(metric: str, only: str = "") -> list[Query]:
    """The p50 and p99 of a histogram."""
    return [Query(quantile(q, metric, only=only), name) for q, name in ((0.5, "p50"), (0.99, "p99"))]


def or_zero(expr: str, of: str) -> str:
    """An expression with zero for the series of `of` that it lacks."""
    return f"{expr} or 0 * {of}"


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
                [Query(rate(requests, "method", "route", only=only), "{{method}} {{route}}")],
            ),
            Panel(
                "5xx responses by route",
                "5xx responses per second. 503: a dependency is down or a partition is stale.",
                "reqps",
                [Query(or_zero(failed, rate(requests, "method", "route", only=only)), "{{method}} {{route}}")],
            ),
            Panel(
                "Responses by status",
                "Responses per second by status. Many 404 on engagement: invalid tickets. 429: rate-limited clients.",
                "reqps",
                [Query(rate(requests, "status", only=only), "{{status}}")],
            ),
            Panel(
                "Request latency p99 by route",
                "p99 of the request duration. A publish request waits up to 30 s if its client asks for that.",
                "s",
                [Query(quantile(0.99, duration, "method", "route", only=only), "{{method}} {{route}}")],
            ),
            Panel(
                "In-flight requests",
                "Requests in flight by replica. Growing without more traffic: requests wait for a dependency.",
                "short",
                [Query(f"sum by (instance) (stories_http_requests_in_flight{{{only}}})", "{{instance}}")],
            ),
            Panel(
                "Rate-limited requests",
                "429 responses per second by limit.",
                "reqps",
                [Query(rate("stories_rate_limited_total", "limit", only=only), "{{limit}}")],
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
                [Query(rate(f"{age}_count", "group", only=only), "{{group}}")],
            ),
            Panel(
                "Event latency p99",
                "p99 from publishing to processing, by consumer group. High after an outage, then falling.",
                "s",
                [Query(quantile(0.99, age, "group", only=only), "{{group}}")],
            ),
            Panel(
                "Consumer lag",
                "Records not processed yet, by consumer group and topic.",
                "short",
                [Query(f"sum by (group, topic) (stories_consumer_lag_records{{{only}}})", "{{group}} {{topic}}")],
            ),
            Panel(
                "Oldest unprocessed record",
                "Age of the oldest unprocessed record. Growing: the consumer is stalled.",
                "s",
                [
                    Query(
                        f"max by (group, topic) (stories_consumer_oldest_unhandled_seconds{{{only}}})",
                        "{{group}} {{topic}}",
                    )
                ],
                thresholds=[60],
            ),
            Panel(
                "Blocked consumers",
                "1 while a consumer waits for a dependency that is down.",
                "short",
                [Query(f"max by (dependency) (stories_consumer_waiting{{{only}}})", "{{dependency}}")],
            ),
            Panel(
                "Dead-lettered records",
                "Records moved to a dead-letter topic in the window. Inspect them with `stories dlq list`.",
                "short",
                [Query(increase("stories_dead_lettered_total", "topic", only=only), "{{topic}}")],
            ),
        ],
    )


def process(job: str) -> Row:
    """Dependencies and process of a service."""
    only, calls = of(job), "stories_dependency_duration_seconds"
    by = ("dependency", "operation")
    return Row(
        "Dependencies and process",
        [
            Panel(
                "Dependency calls",
                "Calls per second by dependency and outcome.",
                "ops",
                [Query(rate(f"{calls}_count", "dependency", "outcome", only=only), "{{dependency}} {{outcome}}")],
            ),
            Panel(
                "Dependency latency p99",
                "p99 by dependency and operation.",
                "s",
                [Query(quantile(0.99, calls, *by, only=only), "{{dependency}} {{operation}}")],
            ),
            Panel(
                "Outbox",
                "Documents with an event that is not published yet, and the age of the oldest (seconds).",
                "short",
                [
                    Query(f"max(stories_outbox_pending{{{only}}})", "pending documents"),
                    Query(f"max(stories_outbox_oldest_seconds{{{only}}})", "oldest (s)"),
                ],
            ),
            Panel(
                "Readiness",
                "1 while a replica is ready. `/readyz` returns the reason if it is not.",
                "short",
                [Query(f"min by (instance) (stories_ready{{{only}}})", "{{instance}}")],
            ),
            Panel(
                "Event loop lag p99",
                "p99 of the event loop delay by replica. High: CPU-bound work or a frozen process.",
                "s",
                [Query(quantile(0.99, "stories_event_loop_delay_seconds", "instance", only=only), "{{instance}}")],
            ),
            Panel(
                "Clock skew",
                "Difference from MongoDB's clock. Above 2 s a replica is not ready.",
                "s",
                [Query(f"abs(stories_clock_skew_seconds{{{only}}})", "{{instance}}")],
                thresholds=[1, 2],
            ),
            Panel(
                "CPU",
                "CPU cores used by replica. A process uses at most one, its media workers more.",
                "short",
                [Query(f"rate(process_cpu_seconds_total{{{only}}}{WINDOW})", "{{instance}}")],
            ),
            Panel(
                "Memory",
                "Resident memory by replica.",
                "bytes",
                [Query(f"process_resident_memory_bytes{{{only}}}", "{{instance}}")],
            ),
            Panel(
                "Open file descriptors",
                "File descriptors by replica, mostly connections.",
                "short",
                [Query(f"process_open_fds{{{only}}}", "{{instance}}")],
            ),
            Panel(
                "Versions",
                "Replicas by version. Two versions during a rollout.",
                "short",
                [Query(f"sum by (version, revision) (stories_build_info{{{only}}})", "{{version}} {{revision}}")],
                kind="stat",
                width=12,
                height=4,
            ),
            Panel(
                "Uptime",
                "Time since each replica started.",
                "s",
                [Query(f"time() - process_start_time_seconds{{{only}}}", "{{instance}}")],
                kind="stat",
                width=12,
                height=4,
            ),
        ],
    )

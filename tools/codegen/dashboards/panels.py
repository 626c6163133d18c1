"""What several dashboards show in the same way: quantiles, shares, and the rows that every service has."""

from .grafana import Panel, Query, Row

WINDOW = "[$__rate_interval]"


def rate(metric: str, *by: str, only: str = "", function: str = "rate") -> str:
    """Events a second, summed by these labels. `only` are label matchers."""
    grouped = f" by ({', '.join(by)})" if by else ""
    return f"sum{grouped} ({function}({metric}{{{only}}}{WINDOW}))".replace("{}", "")


def grown(metric: str, *by: str, only: str = "") -> str:
    """Events in the window, summed by these labels."""
    return rate(metric, *by, only=only, function="increase")


def quantile(q: float, metric: str, *by: str, only: str = "") -> str:
    """A quantile of a histogram, by these labels."""
    return f"histogram_quantile({q}, {rate(f'{metric}_bucket', *by, 'le', only=only)})"


def quantiles(metric: str, only: str = "") -> list[Query]:
    """The middle and the end of a distribution."""
    return [Query(quantile(q, metric, only=only), name) for q, name in ((0.5, "p50"), (0.99, "p99"))]


def or_zero(expr: str, of: str) -> str:
    """What is seldom there, drawn as zero for everything that could have it."""
    return f"{expr} or 0 * {of}"


def of(job: str, *more: str) -> str:
    """Matchers of the chosen replicas of a service."""
    return ",".join((f'job="{job}"', 'instance=~"$instance"', *more))


def traffic(job: str) -> Row:
    """What is asked of a service over HTTP."""
    requests, duration, only = "stories_http_requests_total", "stories_http_request_duration_seconds", of(job)
    failed = rate(requests, "method", "route", only=of(job, 'status=~"5.."'))
    return Row(
        "HTTP",
        [
            Panel(
                "Requests by route",
                "Requests answered a second.",
                "reqps",
                [Query(rate(requests, "method", "route", only=only), "{{method}} {{route}}")],
            ),
            Panel(
                "5xx by route",
                "Requests that we failed, a second. 503 says that a dependency is down or a partition unheard.",
                "reqps",
                [Query(or_zero(failed, rate(requests, "method", "route", only=only)), "{{method}} {{route}}")],
            ),
            Panel(
                "By status",
                "What is answered. Many 404 on engagement: tickets that are no good; 429: somebody asks too often.",
                "reqps",
                [Query(rate(requests, "status", only=only), "{{status}}")],
            ),
            Panel(
                "Slowest 1 % by route",
                "p99 of the time to answer. Publish may wait up to 30 s where its client asks for it.",
                "s",
                [Query(quantile(0.99, duration, "method", "route", only=only), "{{method}} {{route}}")],
            ),
            Panel(
                "Being answered now",
                "Requests in flight by replica; growing without more requests means that something waits.",
                "short",
                [Query(f"sum by (instance) (stories_http_requests_in_flight{{{only}}})", "{{instance}}")],
            ),
            Panel(
                "Refused for asking too often",
                "429 a second by limit.",
                "reqps",
                [Query(rate("stories_rate_limited_total", "limit", only=only), "{{limit}}")],
            ),
        ],
    )


def consumers(job: str) -> Row:
    """What a service hears."""
    only = of(job)
    age = "stories_event_age_seconds"
    return Row(
        "Events",
        [
            Panel(
                "Handled",
                "Records handled a second by group.",
                "cps",
                [Query(rate(f"{age}_count", "group", only=only), "{{group}}")],
            ),
            Panel(
                "Slowest 1 % from said to handled",
                "p99 of the age of events; high after an outage, then falling.",
                "s",
                [Query(quantile(0.99, age, "group", only=only), "{{group}}")],
            ),
            Panel(
                "Behind by",
                "Records not handled yet, by group.",
                "short",
                [Query(f"sum by (group, topic) (stories_consumer_lag_records{{{only}}})", "{{group}} {{topic}}")],
            ),
            Panel(
                "Oldest unhandled",
                "How long the oldest unhandled record has waited. Growing: the consumer hangs.",
                "s",
                [
                    Query(
                        f"max by (group, topic) (stories_consumer_oldest_unhandled_seconds{{{only}}})",
                        "{{group}} {{topic}}",
                    )
                ],
                marks=[60],
            ),
            Panel(
                "Waiting for",
                "1 while a consumer waits for a dependency to come back.",
                "short",
                [Query(f"max by (dependency) (stories_consumer_waiting{{{only}}})", "{{dependency}}")],
            ),
            Panel(
                "Dead-lettered",
                "Records moved to a dead-lettered topic in the window. Any is worth a look: `stories dlq list`.",
                "short",
                [Query(grown("stories_dead_lettered_total", "topic", only=only), "{{topic}}")],
            ),
        ],
    )


def process(job: str) -> Row:
    """What a service stands on, and itself."""
    only, calls = of(job), "stories_dependency_duration_seconds"
    by = ("dependency", "operation")
    return Row(
        "Dependencies and process",
        [
            Panel(
                "Calls of dependencies",
                "Calls a second by how they went.",
                "ops",
                [Query(rate(f"{calls}_count", "dependency", "outcome", only=only), "{{dependency}} {{outcome}}")],
            ),
            Panel(
                "Slowest 1 % of calls",
                "p99 by dependency and operation.",
                "s",
                [Query(quantile(0.99, calls, *by, only=only), "{{dependency}} {{operation}}")],
            ),
            Panel(
                "Not said yet",
                "Documents whose event Kafka has not got, and for how long the oldest has waited (seconds).",
                "short",
                [
                    Query(f"max(stories_outbox_pending{{{only}}})", "documents"),
                    Query(f"max(stories_outbox_oldest_seconds{{{only}}})", "oldest, s"),
                ],
            ),
            Panel(
                "Ready",
                "1 while a replica takes traffic; `/readyz` says why not.",
                "short",
                [Query(f"min by (instance) (stories_ready{{{only}}})", "{{instance}}")],
            ),
            Panel(
                "Event loop late",
                "p99 of how late the event loop runs, by replica. Much: CPU-bound work, or a frozen process.",
                "s",
                [Query(quantile(0.99, "stories_event_loop_delay_seconds", "instance", only=only), "{{instance}}")],
            ),
            Panel(
                "Clock against MongoDB's",
                "Beyond 2 s a replica steps aside.",
                "s",
                [Query(f"abs(stories_clock_skew_seconds{{{only}}})", "{{instance}}")],
                marks=[1, 2],
            ),
            Panel(
                "CPU",
                "Cores used by replica; one process uses one at most, its media workers more.",
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
                "Open files",
                "File descriptors by replica: connections mostly.",
                "short",
                [Query(f"process_open_fds{{{only}}}", "{{instance}}")],
            ),
            Panel(
                "Versions",
                "Replicas by version; two during a roll-out.",
                "short",
                [Query(f"sum by (version, revision) (stories_build_info{{{only}}})", "{{version}} {{revision}}")],
                kind="stat",
                width=12,
                height=4,
            ),
            Panel(
                "Up for",
                "Since each replica began.",
                "s",
                [Query(f"time() - process_start_time_seconds{{{only}}}", "{{instance}}")],
                kind="stat",
                width=12,
                height=4,
            ),
        ],
    )

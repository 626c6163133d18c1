"""The overview dashboard: health, SLOs, and the path of a story."""

from .grafana import Dashboard, Panel, Query, Row
from .panels import aggregate, increase, quantile, quantiles, rate

AT_THE_GATEWAY = "caddy_http_request_duration_seconds_count"
BUDGETS = (("requests|edge|ended|erased", "0.001"), ("tray|visible|counted", "0.01"))


def burn(window: str) -> list[Query]:
    """The burn rate of each SLO's error budget; 1 spends exactly the budget."""
    return [
        Query(f'stories:slo_errors:ratio_rate{window}{{slo=~"{names}"}} / {budget}', "{{slo}} {{job}}")
        for names, budget in BUDGETS
    ]


HEALTH = Row(
    "Health",
    [
        Panel(
            "Ready replicas",
            "Replicas that are ready, by service.",
            "short",
            aggregate("sum", "stories_ready", "job"),
            kind="stat",
            width=8,
            height=5,
            thresholds=[1],
            falling=True,
        ),
        Panel(
            "Stories published",
            "Stories published per second.",
            "ops",
            rate("stories_publishes_total", only='result="posted"').named("published"),
            kind="stat",
            width=4,
            height=5,
        ),
        Panel(
            "Live stories",
            "Live stories in the index of the feed replicas.",
            "short",
            aggregate("max", "stories_live_stories").named("live"),
            kind="stat",
            width=4,
            height=5,
        ),
        Panel(
            "Views counted",
            "Views counted per second.",
            "ops",
            rate("stories_views_total", only='outcome="counted"').named("views"),
            kind="stat",
            width=4,
            height=5,
        ),
        Panel(
            "Open receipts",
            "Ended stories whose erasure is not confirmed by every store yet.",
            "short",
            Query("sum(max by (store) (stories_receipts_open))", "open"),
            kind="stat",
            width=4,
            height=5,
        ),
    ],
)

OBJECTIVES = Row(
    "Service level objectives",
    [
        Panel(
            "SLO compliance",
            "Share of good events over the selected time range, by SLO.",
            "percentunit",
            Query("1 - avg_over_time(stories:slo_errors:ratio_rate5m[$__range])", "{{slo}} {{job}}"),
            kind="bargauge",
            thresholds=[0.999, 0.99],
            falling=True,
        ),
        Panel(
            "Error budget burn rate, 1 h",
            "1 spends exactly the budget. From 14.4 on there is a page.",
            "short",
            burn("1h"),
            thresholds=[6, 14.4],
        ),
        Panel(
            "Error budget burn rate, 6 h",
            "1 spends exactly the budget. From 6 on there is a ticket.",
            "short",
            burn("6h"),
            thresholds=[6, 14.4],
        ),
    ],
)

LIFECYCLE = Row(
    "Story lifecycle",
    [
        Panel(
            "Media jobs finished",
            "Media jobs finished per second by result.",
            "ops",
            rate("stories_publishes_total", "result"),
        ),
        Panel(
            "Time to visible",
            "From `posted_at` to the feed index. SLO: 99 % within 1 s.",
            "s",
            quantiles("stories_visible_seconds"),
            thresholds=[1],
        ),
        Panel(
            "Views",
            "Views consumed per second by outcome.",
            "ops",
            rate("stories_views_total", "outcome"),
        ),
        Panel(
            "Live stories vs. timers",
            "Live stories in the feed index, and timers of expiry. The two agree except for short moments.",
            "short",
            [
                aggregate("max", "stories_live_stories").named("live stories"),
                aggregate("max", "stories_timers").named("timers"),
            ],
        ),
        Panel(
            "Expiry lateness",
            "How long after `expires_at` a story ended. SLO: 99.9 % within 1 s.",
            "s",
            quantiles("stories_expiry_lateness_seconds"),
            thresholds=[1],
        ),
        Panel(
            "Oldest open receipt",
            "Age of the oldest ending that a store has not confirmed.",
            "s",
            aggregate("max", "stories_receipt_oldest_seconds", "store"),
            thresholds=[60, 300],
        ),
    ],
)

HTTP = Row(
    "HTTP",
    [
        Panel(
            "Requests",
            "Requests per second by service.",
            "reqps",
            rate("stories_http_requests_total", "job"),
        ),
        Panel(
            "5xx ratio",
            "Share of requests with a 5xx response over 5 minutes. SLO: 99.9 % without.",
            "percentunit",
            Query('stories:slo_errors:ratio_rate5m{slo="requests"}', "{{job}}"),
            thresholds=[0.001, 0.0144],
        ),
        Panel(
            "Requests at the gateway",
            "Requests per second at the gateway by status. 502 to 504: no replica answered.",
            "reqps",
            rate(AT_THE_GATEWAY, "code", only='job="gateway",handler="subroute"'),
        ),
        Panel(
            "5xx ratio at the gateway",
            "Share of requests that clients saw fail, over 5 minutes. SLO: 99.9 % without.",
            "percentunit",
            Query('stories:slo_errors:ratio_rate5m{slo="edge"}', "edge"),
            thresholds=[0.001, 0.0144],
        ),
        Panel(
            "Request latency p99",
            "p99 by service. A publish request waits up to 30 s if its client asks for that.",
            "s",
            quantile(0.99, "stories_http_request_duration_seconds", "job"),
        ),
    ],
)

EVENTS = Row(
    "Events",
    [
        Panel(
            "Event latency p99",
            "p99 from publishing to processing, by topic.",
            "s",
            quantile(0.99, "stories_event_age_seconds", "topic"),
        ),
        Panel(
            "Oldest unprocessed record",
            "Age of the oldest unprocessed record, by service.",
            "s",
            aggregate("max", "stories_consumer_oldest_unhandled_seconds", "job"),
            thresholds=[60],
        ),
        Panel(
            "Dead-lettered records",
            "Records moved to a dead-letter topic in the window. `bug`: a defect in the service.",
            "short",
            increase("stories_dead_lettered_total", "job", "reason"),
        ),
    ],
)

OVERVIEW = Dashboard(
    "stories-overview",
    "Stories: overview",
    "Health, service level objectives, the lifecycle of stories, HTTP and events.",
    [HEALTH, OBJECTIVES, LIFECYCLE, HTTP, EVENTS],
)

"""The overview: is it well?"""

from .grafana import Dashboard, Panel, Query, Row
from .panels import grown, quantile, quantiles, rate

BUDGETS = (("requests|ended|erased", "0.001"), ("tray|visible|counted", "0.01"))


def burn(window: str) -> list[Query]:
    """How many times faster than it may each promise's budget burns."""
    return [
        Query(f'stories:slo_errors:ratio_rate{window}{{slo=~"{names}"}} / {budget}', "{{slo}} {{job}}")
        for names, budget in BUDGETS
    ]


WELL = Row(
    "Is it well?",
    [
        Panel(
            "Ready",
            "Replicas that take traffic.",
            "short",
            [Query("sum by (job) (stories_ready)", "{{job}}")],
            kind="stat",
            width=8,
            height=5,
            marks=[1],
            falling=True,
        ),
        Panel(
            "Posted",
            "Stories posted a second.",
            "ops",
            [Query(rate("stories_publishes_total", only='result="posted"'), "posted")],
            kind="stat",
            width=4,
            height=5,
        ),
        Panel(
            "Live stories",
            "In the index of the feed's replicas.",
            "short",
            [Query("max(stories_live_stories)", "live")],
            kind="stat",
            width=4,
            height=5,
        ),
        Panel(
            "Views counted",
            "Views counted a second.",
            "ops",
            [Query(rate("stories_views_total", only='outcome="counted"'), "views")],
            kind="stat",
            width=4,
            height=5,
        ),
        Panel(
            "Open receipts",
            "Ended stories that some store has not erased yet.",
            "short",
            [Query("sum(max by (store) (stories_receipts_open))", "open")],
            kind="stat",
            width=4,
            height=5,
        ),
    ],
)

PROMISES = Row(
    "Promises",
    [
        Panel(
            "Kept",
            "Share of good events over the chosen time, by promise.",
            "percentunit",
            [Query("1 - avg_over_time(stories:slo_errors:ratio_rate5m[$__range])", "{{slo}} {{job}}")],
            kind="bargauge",
            marks=[0.999, 0.99],
            falling=True,
        ),
        Panel(
            "Budget burns, last hour",
            "How many times faster than it may each error budget burns. From 14.4 on somebody is paged.",
            "short",
            burn("1h"),
            marks=[6, 14.4],
        ),
        Panel(
            "Budget burns, last six hours",
            "The same over six hours. From 6 on there is a ticket.",
            "short",
            burn("6h"),
            marks=[6, 14.4],
        ),
    ],
)

LIFE = Row(
    "A story's life",
    [
        Panel(
            "Published",
            "Media jobs that ended, a second, by result.",
            "ops",
            [Query(rate("stories_publishes_total", "result"), "{{result}}")],
        ),
        Panel(
            "Time to visible",
            "From posted to in the feed's index; 99 % within a second is promised.",
            "s",
            quantiles("stories_visible_seconds"),
            marks=[1],
        ),
        Panel(
            "Views",
            "Views consumed a second, by what became of them.",
            "ops",
            [Query(rate("stories_views_total", "outcome"), "{{outcome}}")],
        ),
        Panel(
            "Live and timed",
            "Live stories in the feed's index, and timers that expiry holds: the same, but for a moment.",
            "short",
            [Query("max(stories_live_stories)", "live stories"), Query("max(stories_timers)", "timers")],
        ),
        Panel(
            "Expiry lateness",
            "How long after its time a story was ended; 99.9 % within a second is promised.",
            "s",
            quantiles("stories_expiry_lateness_seconds"),
            marks=[1],
        ),
        Panel(
            "Oldest open receipt",
            "How long a store has owed its answer to an ending.",
            "s",
            [Query("max by (store) (stories_receipt_oldest_seconds)", "{{store}}")],
            marks=[60, 300],
        ),
    ],
)

ANSWERS = Row(
    "Answers and errors",
    [
        Panel(
            "Requests",
            "Requests answered a second, by service.",
            "reqps",
            [Query(rate("stories_http_requests_total", "job"), "{{job}}")],
        ),
        Panel(
            "Answered with 5xx",
            "Share of requests that we failed over five minutes; 99.9 % without is promised.",
            "percentunit",
            [Query('stories:slo_errors:ratio_rate5m{slo="requests"}', "{{job}}")],
            marks=[0.001, 0.0144],
        ),
        Panel(
            "Slowest 1 %",
            "p99 of the time to answer, by service. Publish may wait up to 30 s where its client asks for it.",
            "s",
            [Query(quantile(0.99, "stories_http_request_duration_seconds", "job"), "{{job}}")],
        ),
    ],
)

LOG = Row(
    "The log",
    [
        Panel(
            "Slowest 1 % from said to handled",
            "p99 of the age of events, by topic.",
            "s",
            [Query(quantile(0.99, "stories_event_age_seconds", "topic"), "{{topic}}")],
        ),
        Panel(
            "Oldest unhandled",
            "How long the oldest unhandled record has waited, by service.",
            "s",
            [Query("max by (job) (stories_consumer_oldest_unhandled_seconds)", "{{job}}")],
            marks=[60],
        ),
        Panel(
            "Dead-lettered",
            "Records that could not be handled, in the window. `bug` is ours.",
            "short",
            [Query(grown("stories_dead_lettered_total", "job", "reason"), "{{job}} {{reason}}")],
        ),
    ],
)

OVERVIEW = Dashboard(
    "stories-overview",
    "Stories: overview",
    "Is it well? What is promised, what happens to a story, what goes wrong.",
    [WELL, PROMISES, LIFE, ANSWERS, LOG],
)

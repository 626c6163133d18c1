"""One dashboard for each service: what is its own first, then what all of them have."""

from collections.abc import Sequence

from .grafana import Dashboard, Panel, Query, Row
from .panels import consumers, grown, of, process, quantile, quantiles, rate, traffic

TOOK = "stories_http_request_duration_seconds"
TRAYS = of("feed", 'route="/v1/tray"')
IN_TIME = of("feed", 'route="/v1/tray"', 'le="0.1"')


def dashboard(job: str, description: str, own: Sequence[Panel]) -> Dashboard:
    """A service's page."""
    rows = [Row(job.capitalize(), own), traffic(job), consumers(job), process(job)]
    return Dashboard(f"stories-{job}", f"Stories: {job}", description, rows, job)


INGEST = dashboard(
    "ingest",
    "Stories being made: uploads, media work, posting.",
    [
        Panel(
            "Published",
            "Media jobs that ended, a second, by result.",
            "ops",
            [Query(rate("stories_publishes_total", "result", only=of("ingest")), "{{result}}")],
        ),
        Panel(
            "Refused",
            "Media refused in the window, by reason. Many damaged ones: look at clients.",
            "short",
            [Query(grown("stories_publishes_total", "reason", only=of("ingest", 'result="refused"')), "{{reason}}")],
        ),
        Panel(
            "From publish to live",
            "p50 and p99, by kind. Growing: too few media workers.",
            "s",
            [
                Query(
                    quantile(q, "stories_publish_duration_seconds", "kind", only=of("ingest")), f"{{{{kind}}}} {name}"
                )
                for q, name in ((0.5, "p50"), (0.99, "p99"))
            ],
        ),
        Panel(
            "Media jobs",
            "Running, waiting for a worker, and how many workers there are.",
            "short",
            [
                Query(f"sum by (state) (stories_media_jobs{{{of('ingest')}}})", "{{state}}"),
                Query(f"sum(stories_media_workers{{{of('ingest')}}})", "workers"),
            ],
        ),
        Panel(
            "Object storage",
            "Calls a second by operation and how they went.",
            "ops",
            [
                Query(
                    rate(
                        "stories_dependency_duration_seconds_count",
                        "operation",
                        "outcome",
                        only=of("ingest", 'dependency="s3"'),
                    ),
                    "{{operation}} {{outcome}}",
                )
            ],
        ),
    ],
)

FEED = dashboard(
    "feed",
    "What viewers see: trays, rings, reels, and the live index that they are made from.",
    [
        Panel(
            "Tray within 100 ms",
            "Share of trays answered within 100 ms; 99 % is promised.",
            "percentunit",
            [Query(f"{rate(f'{TOOK}_bucket', only=IN_TIME)} / {rate(f'{TOOK}_count', only=TRAYS)}", "within 100 ms")],
            kind="stat",
            marks=[0.99, 0.95],
            falling=True,
        ),
        Panel(
            "Tray",
            "Time to answer a tray.",
            "s",
            quantiles(TOOK, TRAYS),
            marks=[0.1],
        ),
        Panel(
            "Time to visible",
            "From a story being posted to its being in a replica's index; 99 % within a second is promised.",
            "s",
            [
                Query(quantile(0.99, "stories_visible_seconds", "instance", only=of("feed")), "p99 {{instance}}"),
                Query(quantile(0.5, "stories_visible_seconds", only=of("feed")), "p50"),
            ],
            marks=[1],
        ),
        Panel(
            "Live",
            "Authors and stories in each replica's index; replicas that differ for long have not heard the same.",
            "short",
            [
                Query(f"max by (instance) (stories_live_stories{{{of('feed')}}})", "stories {{instance}}"),
                Query(f"max by (instance) (stories_live_authors{{{of('feed')}}})", "authors {{instance}}"),
            ],
        ),
        Panel(
            "Visible, all of them",
            "How many stories took how long to be visible.",
            "s",
            [Query(grown("stories_visible_seconds_bucket", "le", only=of("feed")), "{{le}}")],
            kind="heatmap",
        ),
        Panel(
            "Loading the index",
            "How long each replica took to load its index and catch up with the log; a start lasts at least so long.",
            "s",
            [Query(f"stories_index_load_seconds{{{of('feed')}}}", "{{instance}}")],
        ),
    ],
)

ENGAGEMENT = dashboard(
    "engagement",
    "Views, reactions, comments: what viewers do, and what is counted of it.",
    [
        Panel(
            "Views",
            "Views consumed a second, by what became of them. Many late ones: consumers lag behind endings.",
            "ops",
            [Query(rate("stories_views_total", "outcome", only=of("engagement")), "{{outcome}}")],
        ),
        Panel(
            "From said to counted",
            "Age of views when they are counted; 99 % within 10 s is promised.",
            "s",
            quantiles("stories_event_age_seconds", of("engagement", 'topic="story-viewed"')),
            marks=[10],
        ),
        Panel(
            "Tickets refused",
            "Requests without a right to their story, a second, by reason. Forged ones mean an attack.",
            "ops",
            [Query(rate("stories_tickets_refused_total", "reason", only=of("engagement")), "{{reason}}")],
        ),
    ],
)

EXPIRY = dashboard(
    "expiry",
    "Endings: timers, and the proof that every store has erased.",
    [
        Panel(
            "Expiry lateness",
            "How long after its time a story was ended; 99.9 % within a second is promised.",
            "s",
            quantiles("stories_expiry_lateness_seconds", of("expiry")),
            marks=[1],
        ),
        Panel(
            "Overdue",
            "Stories that should have ended over a second ago, and for how long the oldest (seconds).",
            "short",
            [
                Query(f"max(stories_timers_overdue{{{of('expiry')}}})", "stories"),
                Query(f"max(stories_timer_oldest_overdue_seconds{{{of('expiry')}}})", "oldest, s"),
            ],
            marks=[5],
        ),
        Panel(
            "Timers",
            "Live stories whose end is still to come.",
            "short",
            [Query(f"max(stories_timers{{{of('expiry')}}})", "timers")],
        ),
        Panel(
            "Time to erase",
            "p99 from a story's end to each store's answer; 99.9 % within a minute is promised.",
            "s",
            [
                Query(
                    quantile(0.99, "stories_erasure_duration_seconds", "store", only=of("expiry")),
                    "{{store}}",
                )
            ],
            marks=[60],
        ),
        Panel(
            "Open receipts",
            "Ended stories that a store has not erased yet.",
            "short",
            [Query(f"max by (store) (stories_receipts_open{{{of('expiry')}}})", "{{store}}")],
        ),
        Panel(
            "Oldest open receipt",
            "How long the oldest of them has waited. Past minutes: look at that store.",
            "s",
            [Query(f"max by (store) (stories_receipt_oldest_seconds{{{of('expiry')}}})", "{{store}}")],
            marks=[60, 300],
        ),
        Panel(
            "Endings",
            "Stories ended at their time, a second.",
            "ops",
            [Query(rate("stories_expiry_lateness_seconds_count", only=of("expiry")), "ended")],
        ),
        Panel(
            "Said again",
            "Endings and account erasures said again a second, since somebody did not answer in time.",
            "ops",
            [
                Query(rate("stories_endings_republished_total", only=of("expiry")), "endings"),
                Query(rate("stories_account_erasures_republished_total", only=of("expiry")), "account erasures"),
            ],
        ),
        Panel(
            "Lateness, all of it",
            "How many stories were ended how late.",
            "s",
            [Query(grown("stories_expiry_lateness_seconds_bucket", "le", only=of("expiry")), "{{le}}")],
            kind="heatmap",
        ),
    ],
)

"""One dashboard for each service: its own row first, then the rows that all services share."""

from collections.abc import Sequence

from .grafana import Dashboard, Panel, Query, Row
from .panels import aggregate, consumers, increase, of, process, quantile, quantiles, rate, traffic

TOOK = "stories_http_request_duration_seconds"
TRAYS = of("feed", 'route="/v1/tray"')
IN_TIME = of("feed", 'route="/v1/tray"', 'le="0.1"')


def dashboard(job: str, description: str, own: Sequence[Panel]) -> Dashboard:
    """The dashboard of a service."""
    rows = [Row(job.capitalize(), own), traffic(job), consumers(job), process(job)]
    return Dashboard(f"stories-{job}", f"Stories: {job}", description, rows, job)


INGEST = dashboard(
    "ingest",
    "Uploads, media jobs and publishing.",
    [
        Panel(
            "Media jobs finished",
            "Media jobs finished per second by result.",
            "ops",
            rate("stories_publishes_total", "result", only=of("ingest")),
        ),
        Panel(
            "Rejected media",
            "Media rejected in the window by reason. Many damaged ones: check the clients.",
            "short",
            increase("stories_publishes_total", "reason", only=of("ingest", 'result="refused"')),
        ),
        Panel(
            "Publish-to-live latency",
            "p50 and p99 by kind. Growing: too few media workers.",
            "s",
            quantiles("stories_publish_duration_seconds", "kind", only=of("ingest")),
        ),
        Panel(
            "Media jobs",
            "Running and waiting media jobs, and the number of workers.",
            "short",
            [
                aggregate("sum", "stories_media_jobs", "state", only=of("ingest")),
                aggregate("sum", "stories_media_workers", only=of("ingest")).named("workers"),
            ],
        ),
        Panel(
            "Object store calls",
            "Calls per second by operation and outcome.",
            "ops",
            rate(
                "stories_dependency_duration_seconds_count",
                "operation",
                "outcome",
                only=of("ingest", 'dependency="s3"'),
            ),
        ),
        Panel(
            "Held media",
            "Ended stories whose media is kept for a decision about a report.",
            "short",
            aggregate("sum", "stories_held_stories", only=of("ingest")).named("stories"),
        ),
        Panel(
            "Archive",
            "Expired stories and objects moved to the archive in the window. Lost ones had no media left to move.",
            "short",
            [
                increase("stories_archived_total", "result", only=of("ingest")).named("stories {{result}}"),
                increase("stories_archived_objects_total", only=of("ingest")).named("objects moved"),
            ],
        ),
        Panel(
            "Overdue erasures of the archive",
            "Stories removed from the archive whose objects could not be erased for five minutes.",
            "short",
            aggregate("sum", "stories_archive_erasures_overdue", only=of("ingest")).named("stories"),
            thresholds=[1],
        ),
    ],
)

FEED = dashboard(
    "feed",
    "Trays, rings and reels, and the live index that serves them.",
    [
        Panel(
            "Tray within 100 ms",
            "Share of tray requests answered within 100 ms. SLO: 99 %.",
            "percentunit",
            Query(f"{rate(f'{TOOK}_bucket', only=IN_TIME)} / {rate(f'{TOOK}_count', only=TRAYS)}", "within 100 ms"),
            kind="stat",
            thresholds=[0.99, 0.95],
            falling=True,
        ),
        Panel(
            "Tray latency",
            "Request duration of `GET /v1/tray`.",
            "s",
            quantiles(TOOK, only=TRAYS),
            thresholds=[0.1],
        ),
        Panel(
            "Time to visible",
            "From `posted_at` to the index of a replica. SLO: 99 % within 1 s.",
            "s",
            [
                quantile(0.99, "stories_visible_seconds", "instance", only=of("feed")).named("p99 {{instance}}"),
                quantile(0.5, "stories_visible_seconds", only=of("feed")).named("p50"),
            ],
            thresholds=[1],
        ),
        Panel(
            "Live index size",
            "Authors and stories in the index of each replica. A lasting difference: a replica is stale.",
            "short",
            [
                aggregate("max", "stories_live_stories", "instance", only=of("feed")).named("stories {{instance}}"),
                aggregate("max", "stories_live_authors", "instance", only=of("feed")).named("authors {{instance}}"),
            ],
        ),
        Panel(
            "Time-to-visible heatmap",
            "Distribution of the time to visible.",
            "s",
            increase("stories_visible_seconds_bucket", "le", only=of("feed")),
            kind="heatmap",
        ),
        Panel(
            "Index load time",
            "Time that each replica took to load its index and read the log to its end; the least start-up time.",
            "s",
            Query(f"stories_index_load_seconds{{{of('feed')}}}", "{{instance}}"),
        ),
        Panel(
            "Live connections",
            "Connections to `GET /v1/live` of each replica.",
            "short",
            Query(f"stories_live_connections{{{of('feed')}}}", "{{instance}}"),
        ),
    ],
)

ENGAGEMENT = dashboard(
    "engagement",
    "Views, reactions and comments, and their counts.",
    [
        Panel(
            "Views",
            "Views consumed per second by outcome. Many late ones: consumers lag behind endings.",
            "ops",
            rate("stories_views_total", "outcome", only=of("engagement")),
        ),
        Panel(
            "View counting latency",
            "From publishing to counting a view. SLO: 99 % within 10 s.",
            "s",
            quantiles("stories_event_age_seconds", only=of("engagement", 'topic="story-viewed"')),
            thresholds=[10],
        ),
        Panel(
            "Rejected tickets",
            "Requests with an invalid ticket per second, by reason. Forged ones mean an attack.",
            "ops",
            rate("stories_tickets_refused_total", "reason", only=of("engagement")),
        ),
        Panel(
            "Webhook deliveries",
            "Attempts per second by outcome. Dead ones were given up after a day.",
            "ops",
            rate("stories_webhook_deliveries_total", "outcome", only=of("engagement")),
        ),
        Panel(
            "Waiting webhooks",
            "Deliveries that wait, and how long the oldest has (seconds). An hour: an endpoint fails.",
            "short",
            [
                aggregate("max", "stories_webhooks_pending", only=of("engagement")).named("deliveries"),
                aggregate("max", "stories_webhooks_oldest_seconds", only=of("engagement")).named("oldest (s)"),
            ],
            thresholds=[3600],
        ),
        Panel(
            "Insights",
            "Insights sealed per second at the end of stories, and requests of insights per second by status.",
            "ops",
            [
                rate("stories_insights_sealed_total", only=of("engagement")).named("sealed"),
                rate("stories_http_requests_total", "status", only=of("engagement", 'route=~".*/insights"')).named(
                    "read: {{status}}"
                ),
            ],
        ),
        Panel(
            "Moderation",
            "Reports that wait for a decision, and reports and decisions in the window.",
            "short",
            [
                aggregate("max", "stories_reports_open", only=of("engagement")).named("open"),
                increase("stories_reports_total", "kind", only=of("engagement")).named("reported: {{kind}}"),
                increase("stories_report_decisions_total", "action", only=of("engagement")),
            ],
        ),
    ],
)

EXPIRY = dashboard(
    "expiry",
    "Timers, endings and erasure receipts.",
    [
        Panel(
            "Expiry lateness",
            "How long after `expires_at` a story ended. SLO: 99.9 % within 1 s.",
            "s",
            quantiles("stories_expiry_lateness_seconds", only=of("expiry")),
            thresholds=[1],
        ),
        Panel(
            "Overdue timers",
            "Stories that should have ended over a second ago, and the delay of the oldest (seconds).",
            "short",
            [
                aggregate("max", "stories_timers_overdue", only=of("expiry")).named("stories"),
                aggregate("max", "stories_timer_oldest_overdue_seconds", only=of("expiry")).named("oldest (s)"),
            ],
            thresholds=[5],
        ),
        Panel(
            "Timers",
            "Timers of live stories.",
            "short",
            aggregate("max", "stories_timers", only=of("expiry")).named("timers"),
        ),
        Panel(
            "Time to erase p99",
            "p99 from the end of a story to each store's confirmation. SLO: 99.9 % within 60 s.",
            "s",
            quantile(0.99, "stories_erasure_duration_seconds", "store", only=of("expiry")),
            thresholds=[60],
        ),
        Panel(
            "Open receipts",
            "Ended stories whose erasure a store has not confirmed yet.",
            "short",
            aggregate("max", "stories_receipts_open", "store", only=of("expiry")),
        ),
        Panel(
            "Oldest open receipt",
            "Age of the oldest open receipt by store. Over a minute: check that store.",
            "s",
            aggregate("max", "stories_receipt_oldest_seconds", "store", only=of("expiry")),
            thresholds=[60, 300],
        ),
        Panel(
            "Expired stories",
            "Stories that expired per second.",
            "ops",
            rate("stories_expiry_lateness_seconds_count", only=of("expiry")).named("expired"),
        ),
        Panel(
            "Republished endings",
            "Endings and account erasures republished per second because a confirmation was late.",
            "ops",
            [
                rate("stories_endings_republished_total", only=of("expiry")).named("endings"),
                rate("stories_account_erasures_republished_total", only=of("expiry")).named("account erasures"),
            ],
        ),
        Panel(
            "Expiry lateness heatmap",
            "Distribution of the expiry lateness.",
            "s",
            increase("stories_expiry_lateness_seconds_bucket", "le", only=of("expiry")),
            kind="heatmap",
        ),
    ],
)

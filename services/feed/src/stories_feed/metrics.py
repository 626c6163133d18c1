"""The metrics of the feed, beside those of every service."""

from stories_shared.runtime.metrics import MetricsRegistry


class FeedMetrics:
    """Metrics of the live index."""

    def __init__(self, registry: MetricsRegistry) -> None:
        self.live_authors = registry.gauge("live_authors", "Authors with a live story in this replica's index.")
        self.live_stories = registry.gauge("live_stories", "Live stories in this replica's index.")
        self.visible = registry.histogram(
            "visible_seconds", "From a story being posted to its being in this replica's index."
        )
        self.index_load = registry.gauge(
            "index_load_seconds", "How long this replica took to load its index and catch up with the log."
        )
        self.live_connections = registry.gauge("live_connections", "Clients connected for live updates now.")
        self.unreadable = registry.counter(
            "unreadable_stories_total",
            "Stories left out of an answer because their stored document cannot be read: a bug; the log names them.",
        )

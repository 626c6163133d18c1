"""The metrics of the feed, beside those of every service."""

from collections.abc import Callable

from stories_shared.clock import Clock
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
        self.rollout_reload_success = registry.gauge(
            "rollout_reload_success", "1 if ROLLOUT_FILE could be read the last time; 0: the last good one is in force."
        )
        self.rollout_reload_timestamp = registry.gauge(
            "rollout_reload_timestamp_seconds", "When the rollout policy in force was loaded."
        )
        self.unreadable = registry.counter(
            "unreadable_stories_total",
            "Stories left out of an answer because their stored document cannot be read: a bug; the log names them.",
        )

    def rollout_reloaded(self, now: Clock) -> Callable[[bool, bool], None]:
        """What to call after each reload of the rollout policy."""

        def reloaded(succeeded: bool, changed: bool) -> None:
            self.rollout_reload_success.set(succeeded)
            if changed:
                self.rollout_reload_timestamp.set(now().timestamp())

        return reloaded

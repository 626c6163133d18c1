"""The metrics of ingest."""

from collections.abc import Callable

from stories_shared.clock import Clock
from stories_shared.runtime.metrics import MetricsRegistry, preinitialize

from stories_ingest.domain.errors import REASONS


class IngestMetrics:
    """Metrics of ingest besides the common ones."""

    def __init__(self, registry: MetricsRegistry) -> None:
        self.publishes = registry.counter(
            "publishes_total",
            "Tries of media jobs by result; `failed` is a bug, tried again; many refused as damaged: look at clients.",
            ["result", "reason"],
        )
        self.publish_duration = registry.histogram(
            "publish_duration_seconds",
            "From publish to live or refused; growing means too few media workers.",
            ["kind"],
        )
        self.media_jobs = registry.gauge(
            "media_jobs", "Media jobs running here, and waiting for any worker (set by one replica).", ["state"]
        )
        self.renditions = registry.counter(
            "renditions_total",
            "Jobs that add smaller renditions to live stories; `dropped` stories keep the one that they have.",
            ["result"],
        )
        self.archived = registry.counter(
            "archived_total",
            "Expired stories that their authors keep; `lost`: the media was gone, look for what deletes objects.",
            ["result"],
        )
        self.archived_objects = registry.counter(
            "archived_objects_total", "Objects moved to the archive; they stay until their author deletes the story."
        )
        self.archive_erasures_overdue = registry.gauge(
            "archive_erasures_overdue",
            "Stories removed from the archive and not erased for 5 minutes (set by one replica): look at the bucket.",
        )
        self.media_workers = registry.gauge("media_workers", "Media workers in this process.")
        self.held_stories = registry.gauge(
            "held_stories", "Ended stories whose media is kept for a decision about a report (set by one replica)."
        )
        self.scheduled_lateness = registry.histogram(
            "scheduled_lateness_seconds",
            "From a scheduled story's time to its post or refusal; over a second means that no replica was working.",
        )
        self.rollout_reload_success = registry.gauge(
            "rollout_reload_success", "1 if ROLLOUT_FILE could be read the last time; 0: the last good one is in force."
        )
        self.rollout_reload_timestamp = registry.gauge(
            "rollout_reload_timestamp_seconds", "When the rollout policy in force was loaded."
        )
        self.rollout_paused = registry.gauge(
            "rollout_paused",
            "1 while the policy's `pause` has switched this off; aggregate with `max`.",
            ["switch"],
        )
        preinitialize(self.rollout_paused, ("create",))
        refused = [("refused", reason) for reason in REASONS]
        others = [(result, "") for result in ("posted", "scheduled", "lost", "failed")]
        preinitialize(self.publishes, [*others, *refused])
        preinitialize(self.archived, ("archived", "lost"))
        preinitialize(self.renditions, ("added", "dropped", "lost"))
        preinitialize(self.publish_duration, ("photo", "video"))
        preinitialize(self.media_jobs, ("running", "waiting"))

    def rollout_reloaded(self, now: Clock) -> Callable[[bool, bool], None]:
        """What to call after each reload of the rollout policy."""

        def reloaded(succeeded: bool, changed: bool) -> None:
            self.rollout_reload_success.set(succeeded)
            if changed:
                self.rollout_reload_timestamp.set(now().timestamp())

        return reloaded

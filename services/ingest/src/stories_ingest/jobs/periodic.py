"""Periodic tasks that measure what they do or find."""

from datetime import timedelta

from stories_shared.runtime.logging import logger

from stories_ingest.domain.story import State
from stories_ingest.metrics import IngestMetrics
from stories_ingest.usecases.post_scheduled import PAGE, PostScheduled
from stories_ingest.usecases.rollout import WatchPause

log = logger(__name__)

LATE = timedelta(seconds=1)


async def count_scheduled(post_scheduled: PostScheduled, metrics: IngestMetrics) -> bool:
    """Post what is due and count it; return whether there may be more."""
    done = await post_scheduled()
    for story in done:
        metrics.scheduled_lateness.observe(story.lateness.total_seconds())
        is_live = story.state is State.LIVE
        metrics.publishes.labels("posted" if is_live else "refused", "" if is_live else "quota").inc()
        if story.lateness > LATE:
            log.warning("scheduled_story_late", seconds=story.lateness.total_seconds())
    return len(done) == PAGE


async def watch_pause(watch: WatchPause, metrics: IngestMetrics) -> None:
    """Pause `create` where the policy says so, or resume it."""
    was_paused = watch.rollout.paused
    await watch()
    metrics.rollout_paused.labels("create").set(watch.rollout.paused)
    if watch.rollout.paused != was_paused:
        log.warning("rollout_paused" if watch.rollout.paused else "rollout_resumed", causes=list(watch.causes))

"""State transitions of stories: pure functions from a snapshot to the changes, which are written in one transaction.

draft → processing → live → ended, processing → refused → ended, and from draft and processing straight to the end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from stories_ingest.domain.errors import LeaseLost, NoSuchStory, WrongState
from stories_ingest.domain.media import Media, Rendition
from stories_ingest.domain.quota import Quota, QuotaLimits
from stories_ingest.domain.story import (
    ACCESS_FIELDS,
    Ended,
    EndReason,
    Job,
    Posted,
    RenditionJob,
    State,
    Story,
    StorySettings,
)

REFUSED_RETENTION = timedelta(hours=24)
"""How long an author can read the reason of a refusal."""

PROCESSING_RETENTION = timedelta(hours=24)
"""How long a failing media job is retried before the story is discarded."""


@dataclass(frozen=True, slots=True)
class StorySnapshot:
    """The input of a transition: the story, all live parts of its series including itself, the author's quota."""

    story: Story
    parts: tuple[Story, ...]
    quota: Quota


@dataclass(frozen=True, slots=True)
class StoryChange:
    """What one transaction writes: new versions of stories, records of ended stories, the quota.

    With `publish`, events are pending for each posted story in `upserts` and each deleted one in `ended`.
    """

    quota: Quota
    upserts: tuple[Story, ...] = ()
    ended: tuple[Ended, ...] = ()
    publish: bool = False


Transition = Callable[[StorySnapshot], StoryChange]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPart:
    """One part of a story from the media job; `captions_track` is cut to its time span."""

    id: str
    media: Media
    captions_track: str | None
    lacks_smaller: bool = False


def no_change(snapshot: StorySnapshot) -> StoryChange:
    """Write nothing."""
    return StoryChange(snapshot.quota)


def publish(snapshot: StorySnapshot, etag: str, now: datetime, bounds: QuotaLimits) -> StoryChange:
    """Queue a media job for a draft; stories in other states do not change.

    Raises TooMany when the quota is reached.
    """
    story = snapshot.story
    if story.state is not State.DRAFT:
        return no_change(snapshot)
    quota = snapshot.quota.reserve(story.id, now, bounds)
    job = Job(etag=etag, since=now, lease_until=now)
    processing = replace(story, state=State.PROCESSING, vanishes_at=now + PROCESSING_RETENTION, job=job)
    return StoryChange(quota, upserts=(processing,))


def go_live(snapshot: StorySnapshot, worker: str, parts: Sequence[NewPart], now: datetime) -> StoryChange:
    """Post all parts at the same time. Raises LeaseLost when this worker no longer holds the lease."""
    story = _require_lease(snapshot, worker)
    expires_at = now + story.lifetime
    series_id = story.id if len(parts) > 1 else None
    live = tuple(
        replace(
            story,
            id=part.id,
            state=State.LIVE,
            vanishes_at=None,
            job=None,
            overlay=replace(story.overlay, captions_track=part.captions_track),
            posted=Posted(
                media=part.media,
                posted_at=now,
                expires_at=expires_at,
                series_id=series_id,
                part=number,
                parts=len(parts),
                renditions_job=RenditionJob(since=now, lease_until=now) if part.lacks_smaller else None,
            ),
        )
        for number, part in enumerate(parts, 1)
    )
    return StoryChange(snapshot.quota.commit(story.id, now, expires_at), upserts=live, publish=True)


def refuse(snapshot: StorySnapshot, worker: str, reason: str, now: datetime) -> StoryChange:
    """Refuse the story and keep its reason for a day. Raises LeaseLost as `go_live` does."""
    story = _require_lease(snapshot, worker)
    kept = replace(story, state=State.REFUSED, job=None, reason=reason, vanishes_at=now + REFUSED_RETENTION)
    return StoryChange(snapshot.quota.release(story.id), upserts=(kept,))


def add_renditions(snapshot: StorySnapshot, worker: str, renditions: Sequence[Rendition]) -> StoryChange:
    """Finish the renditions job: a new revision with these renditions, or without any, the story as it is.

    Raises LeaseLost when this worker no longer holds the job's lease.
    """
    posted = snapshot.story.posted
    if posted is None or posted.renditions_job is None or posted.renditions_job.worker != worker:
        raise LeaseLost(snapshot.story.id)
    done = replace(posted, renditions_job=None)
    if renditions:
        media = replace(posted.media, renditions=(*posted.media.renditions, *renditions))
        done = replace(done, media=media, revision=posted.revision + 1)
    return StoryChange(snapshot.quota, upserts=(replace(snapshot.story, posted=done),), publish=bool(renditions))


def change(snapshot: StorySnapshot, settings: Callable[[StorySettings], StorySettings], now: datetime) -> StoryChange:
    """Change the settings of a draft, or of every live part of the series, each with a new revision.

    Raises NoSuchStory when its time has passed, WrongState for a refused story.
    """
    story = snapshot.story
    if story.is_over(now):
        raise NoSuchStory(story.id)
    if story.state is State.REFUSED:
        raise WrongState(story.state)
    if story.posted is None:
        return StoryChange(snapshot.quota, upserts=(replace(story, settings=settings(story.settings)),))
    changed = tuple(_with_new_revision(part, settings(part.settings)) for part in snapshot.parts)
    return StoryChange(
        snapshot.quota, upserts=tuple(part for part in changed if part not in snapshot.parts), publish=True
    )


def cancel(snapshot: StorySnapshot, now: datetime) -> StoryChange:
    """Discard a draft or a processing story. Raises WrongState when it is live or refused."""
    if snapshot.story.state not in (State.DRAFT, State.PROCESSING):
        raise WrongState(snapshot.story.state)
    return discard(snapshot, now)


def discard(snapshot: StorySnapshot, now: datetime, by: str | None = None) -> StoryChange:
    """End a story that was never posted and release its slot; there is no receipt."""
    ended = replace(_ended(snapshot.story, EndReason.DISCARDED, now), by=by)
    return StoryChange(snapshot.quota.release(snapshot.story.quota_key), ended=(ended,))


def delete(
    snapshot: StorySnapshot, *, by: str, series: bool, now: datetime, new_id: Callable[[], str], publish: bool = True
) -> StoryChange:
    """End a story, or every part of its series; the last part releases the slot of the series."""
    if snapshot.story.posted is None:
        return discard(snapshot, now, by)
    removed = snapshot.parts if series else (snapshot.story,)
    ended = tuple(replace(_ended(part, EndReason.DELETED, now), by=by, event_id=new_id()) for part in removed)
    return StoryChange(_release_slot(snapshot, len(removed)), ended=ended, publish=publish)


def expire(snapshot: StorySnapshot) -> StoryChange:
    """End a live story whose time has passed; its `story-expired` is already published."""
    posted = snapshot.story.posted
    if posted is None:
        return no_change(snapshot)
    return StoryChange(
        _release_slot(snapshot, 1), ended=(_ended(snapshot.story, EndReason.EXPIRED, posted.expires_at),)
    )


def _ended(story: Story, reason: EndReason, at: datetime) -> Ended:
    series_id = story.posted.series_id if story.posted else None
    return Ended(id=story.id, author_id=story.author_id, how=reason, at=at, series_id=series_id)


def _release_slot(snapshot: StorySnapshot, removed: int) -> Quota:
    return snapshot.quota.release(snapshot.story.quota_key) if removed >= len(snapshot.parts) else snapshot.quota


def _require_lease(snapshot: StorySnapshot, worker: str) -> Story:
    story = snapshot.story
    if story.state is not State.PROCESSING or story.job is None or story.job.worker != worker:
        raise LeaseLost(story.id)
    return story


def _with_new_revision(part: Story, settings: StorySettings) -> Story:
    """The part with these settings and higher revisions; the same object when nothing differs."""
    posted = part.posted
    if posted is None or settings == part.settings:
        return part
    changes_access = any(getattr(settings, name) != getattr(part.settings, name) for name in ACCESS_FIELDS)
    revised = replace(
        posted, revision=posted.revision + 1, access_revision=posted.access_revision + (1 if changes_access else 0)
    )
    return replace(part, settings=settings, posted=revised)

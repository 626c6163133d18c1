"""State transitions of stories: pure functions from a snapshot to the changes, which are written in one transaction.

draft → processing → live → ended, processing → scheduled → live,
processing or scheduled → refused → ended, and from draft and processing straight to the end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from stories_ingest.domain.errors import LeaseLost, MediaChanged, NoSuchStory, NotInFuture, WrongState
from stories_ingest.domain.keys import archive_key
from stories_ingest.domain.media import Media, Rendition
from stories_ingest.domain.quota import Quota, QuotaLimits
from stories_ingest.domain.story import (
    ACCESS_FIELDS,
    Ended,
    EndReason,
    Job,
    NewPart,
    Posted,
    RenditionJob,
    State,
    Story,
    StorySettings,
)

REFUSED_RETENTION = timedelta(hours=24)
"""How long an author can read the reason of a refusal."""

MAX_AHEAD = timedelta(days=30)
"""How far ahead a story may be scheduled."""

PROCESSING_RETENTION = timedelta(hours=24)
"""How long a failing media job is retried, or an outage may delay a scheduled story, before it is discarded."""


@dataclass(frozen=True, slots=True)
class StorySnapshot:
    """The input of a transition: the story, all live parts of its series including itself, the author's quota."""

    story: Story
    parts: tuple[Story, ...]
    quota: Quota


@dataclass(frozen=True, slots=True)
class StoryChange:
    """What one transaction writes: new versions of stories, records of ended stories, the quota.

    With `publish`, events are pending for each posted story in `upserts` and each deleted one in `ended`. Those in
    `archived` are kept in their author's archive, with the keys of their copied media.
    """

    quota: Quota
    upserts: tuple[Story, ...] = ()
    ended: tuple[Ended, ...] = ()
    archived: tuple[Story, ...] = ()
    publish: bool = False


Transition = Callable[[StorySnapshot], StoryChange]


def no_change(snapshot: StorySnapshot) -> StoryChange:
    """Write nothing."""
    return StoryChange(snapshot.quota)


def publish(
    snapshot: StorySnapshot, etag: str, now: datetime, bounds: QuotaLimits, traceparent: str | None = None
) -> StoryChange:
    """Queue a media job for a draft; stories in other states do not change.

    Raises TooMany when the quota is reached.
    """
    story = snapshot.story
    if story.state is not State.DRAFT:
        return no_change(snapshot)
    quota = snapshot.quota.reserve(story.id, now, bounds)
    job = Job(etag=etag, since=now, lease_until=now)
    vanishes_at = now + PROCESSING_RETENTION
    processing = replace(story, state=State.PROCESSING, vanishes_at=vanishes_at, job=job, traceparent=traceparent)
    return StoryChange(quota, upserts=(processing,))


def schedule(snapshot: StorySnapshot, etag: str, publish_at: datetime, now: datetime) -> StoryChange:
    """Queue the media job of a draft that goes live at a time; until then it counts as a draft.

    Raises NotInFuture for a time in the past or too far ahead, and Suspended.
    """
    story = snapshot.story
    if story.state is not State.DRAFT:
        return no_change(snapshot)
    snapshot.quota.require_not_suspended(now)
    until = _until_scheduled(publish_at, now)
    job = Job(etag=etag, since=now, lease_until=now)
    scheduled = replace(story, state=State.PROCESSING, publish_at=publish_at, vanishes_at=until, job=job)
    return StoryChange(snapshot.quota.keep_draft(story.id, until), upserts=(scheduled,))


def go_live(snapshot: StorySnapshot, worker: str, parts: Sequence[NewPart], now: datetime) -> StoryChange:
    """Post all parts at the same time, or keep them until `publish_at` of a scheduled story.

    Raises LeaseLost when this worker no longer holds the lease.
    """
    story = _require_lease(snapshot, worker)
    if story.publish_at is None or story.job is None:
        return _live(snapshot, parts, now)
    job = replace(story.job, worker=None, progress=1.0, parts=tuple(part.id for part in parts))
    kept = replace(story, state=State.SCHEDULED, prepared=tuple(parts), job=job)
    return StoryChange(snapshot.quota, upserts=(kept,))


def post_scheduled(snapshot: StorySnapshot, now: datetime, bounds: QuotaLimits) -> StoryChange:
    """Post a scheduled story that is due, or refuse it: the quota is reached, or the author is suspended."""
    story = snapshot.story
    if story.state is not State.SCHEDULED or story.publish_at is None or story.publish_at > now:
        return no_change(snapshot)
    quota = snapshot.quota.release(story.id)
    if quota.is_suspended(now) or quota.retry_after(now, bounds):
        return _refused(snapshot, "quota", now)
    return _live(snapshot, story.prepared, now)


def _live(snapshot: StorySnapshot, parts: Sequence[NewPart], now: datetime) -> StoryChange:
    story = snapshot.story
    expires_at = now + story.lifetime
    series_id = story.id if len(parts) > 1 else None
    live = tuple(
        replace(
            story,
            id=part.id,
            state=State.LIVE,
            vanishes_at=None,
            job=None,
            traceparent=None,
            prepared=(),
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


def _refused(snapshot: StorySnapshot, reason: str, now: datetime) -> StoryChange:
    story = snapshot.story
    kept = replace(
        story, state=State.REFUSED, job=None, prepared=(), reason=reason, vanishes_at=now + REFUSED_RETENTION
    )
    return StoryChange(snapshot.quota.release(story.id), upserts=(kept,))


def _until_scheduled(publish_at: datetime, now: datetime) -> datetime:
    if publish_at <= now:
        raise NotInFuture("must be in the future")
    if publish_at > now + MAX_AHEAD:
        raise NotInFuture("must be within 30 days")
    return publish_at + PROCESSING_RETENTION


def refuse(snapshot: StorySnapshot, worker: str, reason: str, now: datetime) -> StoryChange:
    """Refuse the story and keep its reason for a day. Raises LeaseLost as `go_live` does."""
    _require_lease(snapshot, worker)
    return _refused(snapshot, reason, now)


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


def change(
    snapshot: StorySnapshot,
    settings: Callable[[StorySettings], StorySettings],
    now: datetime,
    publish_at: datetime | None = None,
) -> StoryChange:
    """Change the settings of a draft, or of every live part of the series, each with a new revision.

    Raises NoSuchStory when its time has passed, WrongState for a refused story, and where `publish_at` is given for one
    that is not scheduled; NotInFuture.
    """
    story = snapshot.story
    if story.is_over(now):
        raise NoSuchStory(story.id)
    if story.state is State.REFUSED:
        raise WrongState(story.state)
    quota = snapshot.quota
    if publish_at is not None:
        if story.shown_state is not State.SCHEDULED:
            raise WrongState(story.shown_state)
        until = _until_scheduled(publish_at, now)
        story, quota = replace(story, publish_at=publish_at, vanishes_at=until), quota.keep_draft(story.id, until)
    if story.posted is None:
        return StoryChange(quota, upserts=(replace(story, settings=settings(story.settings)),))
    changed = tuple(_with_new_revision(part, settings(part.settings)) for part in snapshot.parts)
    return StoryChange(
        snapshot.quota, upserts=tuple(part for part in changed if part not in snapshot.parts), publish=True
    )


def cancel(snapshot: StorySnapshot, now: datetime) -> StoryChange:
    """Discard a draft, a processing or a scheduled story. Raises WrongState when it is live or refused."""
    if snapshot.story.state not in (State.DRAFT, State.PROCESSING, State.SCHEDULED):
        raise WrongState(snapshot.story.state)
    return discard(snapshot, now)


def discard(snapshot: StorySnapshot, now: datetime, by: str | None = None) -> StoryChange:
    """End a story that was never posted and release its slot; there is no receipt."""
    ended = replace(_ended(snapshot.story, EndReason.DISCARDED, now), by=by)
    prepared = (part.id for part in snapshot.story.prepared if part.id != ended.id)
    parts = tuple(replace(ended, id=part_id) for part_id in prepared)
    return StoryChange(snapshot.quota.release(snapshot.story.quota_key), ended=(ended, *parts))


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


def archive(snapshot: StorySnapshot, copied: Media) -> StoryChange:
    """End a live story whose time has passed and keep it in its author's archive, where `copied` has been copied to.

    Raises MediaChanged when its media is no longer the same.
    """
    story, posted = snapshot.story, snapshot.story.posted
    if posted is None:
        return no_change(snapshot)
    if posted.media != copied:
        raise MediaChanged(story.id)
    media = copied.renamed(lambda key: archive_key(key, story.author_id, story.id))
    kept = replace(story, posted=replace(posted, media=media, renditions_job=None))
    return replace(expire(snapshot), archived=(kept,))


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

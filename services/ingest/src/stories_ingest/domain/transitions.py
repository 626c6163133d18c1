"""The rules of a story's states: each takes the case as it stands and says what is to be written, all at once or not.

draft → processing → live → ended, processing → refused → ended, and from draft and processing straight to the end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from stories_ingest.domain.errors import LeaseLost, NoSuchStory, WrongState
from stories_ingest.domain.quota import Bounds, Quota
from stories_ingest.domain.story import NARROWING, Choices, Ended, How, Job, Media, Posted, State, Story

REFUSED_KEPT = timedelta(hours=24)
"""How long an author can read why a story was refused."""

PROCESSING_KEPT = timedelta(hours=24)
"""How long its media work may be tried, should it fail by a fault of ours, before the story vanishes."""


@dataclass(frozen=True, slots=True)
class Case:
    """Everything a rule may look at: the story, all live parts of its series (itself among them), the quota."""

    story: Story
    parts: tuple[Story, ...]
    quota: Quota


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be written in one transaction: stories as they are now, stories that ended, the quota.

    With `say`, every story saved and every one that ended after being posted is marked to be said.
    """

    quota: Quota
    save: tuple[Story, ...] = ()
    end: tuple[Ended, ...] = ()
    say: bool = False


Rule = Callable[[Case], Verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a story as the media work made it; `captions_track` is cut to its time."""

    id: str
    media: Media
    captions_track: str | None


def leave(case: Case) -> Verdict:
    """Write nothing."""
    return Verdict(case.quota)


def publish(case: Case, etag: str, now: datetime, bounds: Bounds) -> Verdict:
    """Hand a draft's upload to the media work; a story that is past being a draft stays as it is.

    Raises TooMany when the quota is exhausted.
    """
    story = case.story
    if story.state is not State.DRAFT:
        return leave(case)
    quota = case.quota.hold(story.id, now, bounds)
    job = Job(etag=etag, since=now, lease_until=now)
    processing = replace(story, state=State.PROCESSING, vanishes_at=now + PROCESSING_KEPT, job=job)
    return Verdict(quota, save=(processing,))


def go_live(case: Case, worker: str, parts: Sequence[Part], now: datetime) -> Verdict:
    """Post every part at one moment. Raises LeaseLost when the work is not this worker's any more."""
    story = _worked_on(case, worker)
    expires_at = now + story.lifetime
    series_id = story.id if len(parts) > 1 else None
    live = tuple(
        replace(
            story,
            id=part.id,
            state=State.LIVE,
            vanishes_at=None,
            job=None,
            words=replace(story.words, captions_track=part.captions_track),
            posted=Posted(
                media=part.media,
                posted_at=now,
                expires_at=expires_at,
                series_id=series_id,
                part=number,
                parts=len(parts),
            ),
        )
        for number, part in enumerate(parts, 1)
    )
    return Verdict(case.quota.confirm(story.id, now, expires_at), save=live, say=True)


def refuse(case: Case, worker: str, reason: str, now: datetime) -> Verdict:
    """Keep the story for a day with the reason why it could not be posted. Raises LeaseLost as `go_live` does."""
    story = _worked_on(case, worker)
    kept = replace(story, state=State.REFUSED, job=None, reason=reason, vanishes_at=now + REFUSED_KEPT)
    return Verdict(case.quota.release(story.id), save=(kept,))


def change(case: Case, choices: Callable[[Choices], Choices], now: datetime) -> Verdict:
    """Apply the author's changes: to a draft alone, or to every live part of its series, each with a new revision.

    Raises NoSuchStory when its time has passed, WrongState for a refused story.
    """
    story = case.story
    if story.over(now):
        raise NoSuchStory(story.id)
    if story.state is State.REFUSED:
        raise WrongState(story.state)
    if story.posted is None:
        return Verdict(case.quota, save=(replace(story, choices=choices(story.choices)),))
    changed = tuple(_revised(part, choices(part.choices)) for part in case.parts)
    return Verdict(case.quota, save=tuple(part for part in changed if part not in case.parts), say=True)


def cancel(case: Case, now: datetime) -> Verdict:
    """Let a draft or a processing story vanish. Raises WrongState when it is live or refused."""
    if case.story.state not in (State.DRAFT, State.PROCESSING):
        raise WrongState(case.story.state)
    return vanish(case, now)


def vanish(case: Case, now: datetime, by: str | None = None) -> Verdict:
    """End a story that was never posted: it leaves no receipt, and gives its place back."""
    ended = replace(_ended(case.story, How.VANISHED, now), by=by)
    return Verdict(case.quota.release(case.story.slot), end=(ended,))


def delete(case: Case, *, by: str, series: bool, now: datetime, new_id: Callable[[], str], say: bool = True) -> Verdict:
    """End a story, or every part of its series; the place in the quota is free again with its last part."""
    if case.story.posted is None:
        return vanish(case, now, by)
    going = case.parts if series else (case.story,)
    ended = tuple(replace(_ended(part, How.DELETED, now), by=by, fact_id=new_id()) for part in going)
    return Verdict(_freed(case, len(going)), end=ended, say=say)


def expire(case: Case) -> Verdict:
    """End a live story whose time has passed; expiry has already said so."""
    posted = case.story.posted
    if posted is None:
        return leave(case)
    return Verdict(_freed(case, 1), end=(_ended(case.story, How.EXPIRED, posted.expires_at),))


def _ended(story: Story, how: How, at: datetime) -> Ended:
    series_id = story.posted.series_id if story.posted else None
    return Ended(id=story.id, author_id=story.author_id, how=how, at=at, series_id=series_id)


def _freed(case: Case, going: int) -> Quota:
    return case.quota.release(case.story.slot) if going >= len(case.parts) else case.quota


def _worked_on(case: Case, worker: str) -> Story:
    story = case.story
    if story.state is not State.PROCESSING or story.job is None or story.job.worker != worker:
        raise LeaseLost(story.id)
    return story


def _revised(part: Story, choices: Choices) -> Story:
    """The part with these choices and higher revisions; the very same part when nothing differs."""
    posted = part.posted
    if posted is None or choices == part.choices:
        return part
    narrowing = any(getattr(choices, name) != getattr(part.choices, name) for name in NARROWING)
    revised = replace(
        posted, revision=posted.revision + 1, access_revision=posted.access_revision + (1 if narrowing else 0)
    )
    return replace(part, choices=choices, posted=revised)

"""Asking for a story: a draft, a place in the quota, and a form to upload with."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from stories_shared.clock import Clock, whole_ms

from stories_ingest.domain.errors import MediaRefused, NoSuchStory, WrongState
from stories_ingest.domain.keys import staging_key
from stories_ingest.domain.quota import Bounds, Quota
from stories_ingest.domain.story import PHOTOS, Asker, Choices, State, Story, Words
from stories_ingest.domain.uploads import Form, Uploading
from stories_ingest.usecases.ports import Stories


class Forms(Protocol):
    """Signs upload forms."""

    def form(self, key: str, content_type: str, size: int, until: datetime) -> Form:
        """A form for exactly this key, type and size."""


class Drafts(Protocol):
    """Where new drafts go."""

    async def create(self, draft: Story, admit: Callable[[Quota], Quota]) -> None:
        """Store a draft and what `admit` makes of the author's quota, both or neither; a draft that is there stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an author asks for."""

    content_type: str
    size: int
    lifetime: timedelta
    split: bool
    choices: Choices
    words: Words


@dataclass(frozen=True, slots=True)
class UploadForm:
    """Signs the form for a draft's upload; it never outlives the draft."""

    forms: Forms
    rules: Uploading
    now: Clock

    def __call__(self, draft: Story) -> Form:
        """A fresh form for this draft."""
        until = self.now() + self.rules.form_ttl
        if draft.vanishes_at is not None:
            until = min(until, draft.vanishes_at)
        return self.forms.form(staging_key(draft.id), draft.content_type, draft.size, whole_ms(until))


@dataclass(frozen=True, slots=True)
class CreateStory:
    """Makes a draft."""

    drafts: Drafts
    rules: Uploading
    bounds: Bounds
    now: Clock

    async def __call__(self, story_id: str, author_id: str, wanted: Wanted) -> Story:
        """Make the draft; with an id that is there already nothing new is made.

        Raises MediaRefused for media that cannot be taken whatever is uploaded, TooMany for limits.
        """
        if wanted.size > self.rules.max_bytes:
            raise MediaRefused("too_large")
        if wanted.content_type in PHOTOS and not self.rules.still_images:
            raise MediaRefused("still_images_off")
        now = whole_ms(self.now())
        vanishes_at = now + self.rules.draft_ttl
        draft = Story(
            id=story_id,
            author_id=author_id,
            state=State.DRAFT,
            created_at=now,
            content_type=wanted.content_type,
            size=wanted.size,
            lifetime=wanted.lifetime,
            split=wanted.split,
            choices=wanted.choices,
            words=wanted.words,
            vanishes_at=vanishes_at,
        )
        await self.drafts.create(draft, lambda quota: quota.draft(story_id, vanishes_at, now, self.bounds))
        return draft


@dataclass(frozen=True, slots=True)
class RenewForm:
    """Gives a draft a fresh form."""

    stories: Stories
    form: UploadForm
    now: Clock

    async def __call__(self, asker: Asker, story_id: str) -> Form:
        """A fresh form. Raises NoSuchStory, and WrongState for what is not a draft any more."""
        story = await self.stories.find(story_id)
        if story is None or not asker.owns(story.author_id) or story.over(self.now()):
            raise NoSuchStory(story_id)
        if story.state is not State.DRAFT:
            raise WrongState(story.state)
        return self.form(story)

"""Change a story's settings."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from stories_shared.clock import Clock

from stories_ingest.domain import transitions
from stories_ingest.domain.errors import NoSuchStory
from stories_ingest.domain.story import ACCESS_FIELDS, Requester
from stories_ingest.domain.transitions import StoryChange, StorySnapshot
from stories_ingest.usecases.ports import OutboxRelay, StoryRepository
from stories_ingest.usecases.read import ReadStory, StoryWithParts


@dataclass(frozen=True, slots=True)
class ChangeStory:
    """Applies an author's changes to a draft or to every part of a live series."""

    stories: StoryRepository
    read: ReadStory
    posted: OutboxRelay
    now: Clock

    async def __call__(self, requester: Requester, story_id: str, changes: Mapping[str, Any]) -> StoryWithParts:
        """Return the changed story; a change of an access field is published before this returns.

        `publish_at` moves a scheduled story.
        Raises NoSuchStory, WrongState, NotInFuture, and Unavailable("kafka"), after which the change is kept.
        """

        publish_at = changes.get("publish_at")
        others = {name: value for name, value in changes.items() if name != "publish_at"}

        def transition(snapshot: StorySnapshot) -> StoryChange:
            if not requester.owns(snapshot.story.author_id):
                raise NoSuchStory(story_id)
            return transitions.change(snapshot, lambda settings: replace(settings, **others), self.now(), publish_at)

        await self.stories.transact(story_id, transition)
        own = await self.read(requester, story_id)
        if ACCESS_FIELDS & changes.keys():
            await asyncio.gather(*(self.posted.publish_now(part) for part in own.part_ids))
        else:
            self.posted.wake()
        return own

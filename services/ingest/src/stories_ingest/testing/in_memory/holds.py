"""In-memory holds with the same contract as the MongoDB ones."""

from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from stories_shared.events import StoryHeld

from stories_ingest.usecases.holds import Hold


@dataclass(slots=True)
class MemoryHolds:
    """Holds on the media of reported stories."""

    events: dict[str, StoryHeld] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    over: set[str] = field(default_factory=set)

    async def put(self, event: StoryHeld) -> None:
        before = self.events.get(event.story_id)
        if event.story_id not in self.over and (before is None or before.at < event.at):
            self.events[event.story_id] = event

    async def find(self, *story_ids: str) -> list[Hold]:
        found = [event for event in self.events.values() if event.story_id in story_ids]
        return [self._hold(event) for event in found]

    async def keep(self, story_id: str, now: datetime) -> bool:
        (hold,) = await self.find(story_id)
        if hold.lasts(now):
            self.kept.add(story_id)
        return hold.lasts(now)

    async def due(self, now: datetime, limit: int) -> list[Hold]:
        holds = map(self._hold, self.events.values())
        return [hold for hold in holds if hold.until is not None and hold.until <= now][:limit]

    async def end_all_of(self, author_id: str, at: datetime, now: datetime) -> None:
        for story_id, event in self.events.items():
            if event.author_id == author_id and event.at <= at and event.until > now:
                self.events[story_id] = msgspec.structs.replace(event, until=now)

    async def release(self, hold: Hold, now: datetime) -> None:  # noqa: ARG002
        if (hold.story_id in self.kept) == hold.kept:
            self.over.add(hold.story_id)

    def _hold(self, event: StoryHeld) -> Hold:
        is_over = event.story_id in self.over
        return Hold(event.story_id, None if is_over else event.until, event.story_id in self.kept)

"""A publisher and a relay that record what they publish."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from stories_shared.errors import Unavailable
from stories_shared.events import Event
from stories_shared.events.outgoing import OutgoingEvent

from stories_ingest.testing.in_memory.stories import MemoryStories


@dataclass(slots=True)
class RecordingPublisher:
    """Records events and tombstones, in order. While `down`, every call raises Unavailable."""

    published: list[Event] = field(default_factory=list)
    tombstones: list[str] = field(default_factory=list)
    down: bool = False

    async def publish(self, event: Event) -> None:
        if self.down:
            raise Unavailable("kafka")
        self.published.append(event)

    async def publish_all(self, events: Iterable[OutgoingEvent]) -> None:
        for outgoing in events:
            await self.publish(outgoing.event)

    async def publish_tombstones(self, event: type[Event], keys: Collection[str]) -> None:
        if self.down:
            raise Unavailable("kafka")
        self.tombstones += [f"{event.topic}/{key}" for key in keys]


@dataclass(slots=True)
class MemoryRelay:
    """Records the ids of published documents."""

    stories: MemoryStories
    published: list[str] = field(default_factory=list)
    down: bool = False

    def wake(self) -> None:
        """Do nothing: tests publish explicitly."""

    async def publish_now(self, _id: object) -> None:
        if self.down:
            raise Unavailable("kafka")
        if _id in self.stories.pending:
            self.stories.pending.discard(str(_id))
            self.published.append(str(_id))

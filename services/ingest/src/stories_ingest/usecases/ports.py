"""Ports that several use cases share; the others are next to their use case."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from stories_shared.events import Event

from stories_ingest.domain.story import Ended, State, Story
from stories_ingest.domain.transitions import StoryChange, Transition


class StoryRepository(Protocol):
    """Stories, records of ended stories, and their authors' quotas."""

    async def find(self, story_id: str) -> Story | None:
        """The story, unless it has ended."""

    async def state(self, story_id: str) -> State | None:
        """Only its state, None when it has ended; concurrent calls share one query."""

    async def revision(self, story_id: str) -> int | None:
        """The revision of a live story, None in other states; as cheap as `state`."""

    async def ended(self, story_id: str) -> Ended | None:
        """The record of an ended story."""

    async def transact(self, story_id: str, transition: Transition) -> StoryChange:
        """Apply the transition to the current snapshot and write its changes in one transaction.

        The transition may be called several times. Raises NoSuchStory, and what the transition raises.
        """


class SeriesRepository(Protocol):
    """The parts of split clips."""

    async def part_ids(self, series_ids: Collection[str]) -> Mapping[str, Sequence[str]]:
        """The ids of the live parts of each series, in order; a series without live parts is omitted."""

    async def ended_parts(self, series_id: str) -> list[Ended]:
        """The records of its ended parts."""


class StoryObjects(Protocol):
    """All objects of a story."""

    async def erase(self, *story_ids: str) -> None:
        """Remove the uploads and media of these stories; missing objects are ignored."""


class OutboxRelay(Protocol):
    """Publishes the pending events of documents (transactional outbox)."""

    def wake(self) -> None:
        """Trigger the relay: an event may be pending."""

    async def publish_now(self, _id: object) -> None:
        """Return when this document has no pending event. Raises Unavailable("kafka") on timeout."""


class EventPublisher(Protocol):
    """Publishes events that are not in the outbox."""

    async def publish(self, event: Event) -> None:
        """Return when Kafka has acknowledged it. Raises Unavailable("kafka")."""

    async def publish_tombstone(self, event: type[Event], key: str) -> None:
        """Publish tombstones for the key. Raises Unavailable("kafka")."""

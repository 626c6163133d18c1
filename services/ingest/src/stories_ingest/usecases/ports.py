"""Ports that several verbs share; those of one verb stand beside it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from stories_shared.events import Event

from stories_ingest.domain.story import Ended, State, Story
from stories_ingest.domain.transitions import StoryChange, Transition


class StoryRepository(Protocol):
    """Stories being made and posted, what remains of ended ones, and their authors' quota."""

    async def find(self, story_id: str) -> Story | None:
        """The story, in any state but ended."""

    async def state(self, story_id: str) -> State | None:
        """Its state alone, None when it has ended; asked by many at a time it costs one query."""

    async def revision(self, story_id: str) -> int | None:
        """The revision of a live story, None in any other state; as cheap as `state`."""

    async def ended(self, story_id: str) -> Ended | None:
        """What remains of an ended story."""

    async def transact(self, story_id: str, transition: Transition) -> StoryChange:
        """Ask the rule about the case as it stands and write its verdict, all at once.

        The rule may be asked several times. Raises NoSuchStory where there is none, and whatever the rule raises.
        """


class SeriesRepository(Protocol):
    """The stories that one long clip became."""

    async def part_ids(self, series_ids: Collection[str]) -> Mapping[str, Sequence[str]]:
        """The ids of the live parts of each series, in order; a series without any is left out."""

    async def ended_parts(self, series_id: str) -> list[Ended]:
        """What remains of its ended parts."""


class StoryObjects(Protocol):
    """Everything of a story in the bucket."""

    async def erase(self, *story_ids: str) -> None:
        """Remove the upload and the media of these stories; what is not there is not missed."""


class OutboxRelay(Protocol):
    """Says what documents are marked to say."""

    def wake(self) -> None:
        """There may be something to say."""

    async def publish_now(self, _id: object) -> None:
        """Return when this document's mark, if it has one, is said. Raises Unavailable("kafka") when it takes long."""


class EventPublisher(Protocol):
    """Says facts that no document is marked with."""

    async def publish(self, event: Event) -> None:
        """Return when Kafka has acknowledged it. Raises Unavailable("kafka")."""

    async def forget(self, event: type[Event], key: str) -> None:
        """Say a tombstone. Raises Unavailable("kafka")."""

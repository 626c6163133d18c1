"""Ports that several use cases share; the others are next to their use case."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from stories_shared.events import Event
from stories_shared.events.outgoing import OutgoingEvent

from stories_ingest.domain.media import Media
from stories_ingest.domain.quota import Quota
from stories_ingest.domain.story import Ended, State, Story
from stories_ingest.domain.transitions import StoryChange, Transition
from stories_ingest.domain.uploads import PresignedPost


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

    async def transact_all(self, transitions: Mapping[str, Transition]) -> Mapping[str, StoryChange]:
        """The same for several stories in one transaction; those that do not exist are passed over."""

    async def create(self, draft: Story, admit: Callable[[Quota], Quota]) -> None:
        """Store a draft and the quota that `admit` returns in one transaction; an existing draft is kept."""

    async def page(
        self, author_id: str, state: State | None, before: str | None, now: datetime, limit: int
    ) -> list[Story]:
        """An author's stories, newest first, older than the id `before`, without expired stories."""

    async def quota(self, author_id: str) -> Quota:
        """The author's quota, including expired slots."""

    async def reposts(self, story_ids: Collection[str], limit: int) -> list[str]:
        """Ids of the stories in any state that copy one of these."""

    async def part_ids(self, series_ids: Collection[str]) -> Mapping[str, Sequence[str]]:
        """The ids of the live parts of each series, in order; a series without live parts is omitted."""

    async def ended_parts(self, series_id: str) -> list[Ended]:
        """The records of the ended parts of a series."""

    async def delete_expired(self, deleted: Ended) -> None:
        """Turn the record of an expired story into that of a deleted one, to be published; no change otherwise."""


class CleanupRepository(Protocol):
    """What is left to erase or delete, of stories and of users."""

    async def discardable(self, now: datetime, limit: int) -> list[str]:
        """Ids of drafts and refused stories whose `vanishes_at` has passed."""

    async def missed_expiries(self, before: datetime, limit: int) -> list[str]:
        """Ids of live stories that should have expired before `before`, but whose `story-expired` was not received."""

    async def record_erasure(self, story_ids: Collection[str], at: datetime, recheck_at: datetime) -> None:
        """Record when the media were erased, and when to erase again."""

    async def due_rechecks(self, now: datetime, limit: int) -> list[str]:
        """Ids of ended stories whose second erasure is due."""

    async def clear_recheck(self, story_id: str) -> None:
        """Record that the second erasure is done."""

    async def request_deletion(self, user_id: str, until: datetime) -> int:
        """Record that a user's stories posted until then are to be deleted; returns how many those are."""

    async def requested_deletions(self, limit: int) -> list[tuple[str, datetime]]:
        """Users whose stories are to be deleted, and until when those were posted."""

    async def live_until(self, user_id: str, until: datetime, limit: int) -> list[str]:
        """Ids of a user's live stories that were posted until then."""

    async def finish_deletion(self, user_id: str, until: datetime) -> None:
        """Record that no such story is left, unless a later deletion was requested."""

    async def created_until(self, user_id: str, at: datetime, limit: int) -> list[str]:
        """Ids of the user's stories in any state, created no later than `at`."""

    async def unerased(self, user_id: str, at: datetime, limit: int) -> list[str]:
        """Ids of the user's ended stories, ended until `at` or by the erasure, whose media are not yet erased."""

    async def delete_user_records(self, user_id: str, at: datetime) -> None:
        """Delete a user's records until `at`, and the author id of ended stories that are published."""


class StoryObjects(Protocol):
    """All objects of a story."""

    async def erase(self, *story_ids: str) -> None:
        """Remove the uploads and media of these stories; missing objects are ignored."""


class MediaBucket(StoryObjects, Protocol):
    """Uploads and media. Every call may raise Unavailable("s3")."""

    def form(self, key: str, content_type: str, size: int, until: datetime) -> PresignedPost:
        """A form for exactly this key, type and size."""

    async def etag(self, key: str) -> str | None:
        """The ETag of the object, None when it does not exist."""

    async def fetch(self, key: str, etag: str, path: Path, most: int) -> None:
        """Download the published upload. Raises MediaRefused when it is missing, changed, or larger than declared."""

    async def read(self, key: str, path: Path, most: int) -> bool:
        """Download an object of at most so many bytes; False when it does not exist."""

    async def put(self, key: str, path: Path, content_type: str) -> None:
        """Write one object atomically."""

    async def remove(self, *keys: str) -> None:
        """Remove objects; missing ones are ignored."""

    async def page(self, prefix: str, after: str, limit: int) -> list[str]:
        """The first keys with this prefix after `after`, in order."""

    async def copy_to_staging(self, key: str, story_id: str) -> None:
        """Copy finished media to where a story's upload is expected. Raises NoSuchStory when it is gone."""

    async def copy_to_archive(self, media: Media, author_id: str, story_id: str) -> bool:
        """Copy all objects of a story to the archive; False when one is gone."""

    async def erase_archived(self, author_id: str, story_id: str) -> None:
        """Remove the objects of an archived story; missing ones are ignored."""

    async def copy_to_held(self, story_id: str) -> bool:
        """Copy a story's media out of everyone's reach; whether there is any."""

    async def erase_held(self, story_id: str) -> None:
        """Remove what is kept of a reported story."""


class OutboxRelay(Protocol):
    """Publishes the pending events of documents (transactional outbox)."""

    def wake(self) -> None:
        """Trigger the relay: an event may be pending."""

    async def publish_now(self, _id: object) -> None:
        """Return when this document has no pending event. Raises Unavailable("kafka") on timeout."""


class EventPublisher(Protocol):
    """Publishes what is not in the outbox. Raises Unavailable("kafka")."""

    async def publish(self, event: Event) -> None:
        """Return when Kafka has acknowledged it."""

    async def publish_all(self, events: Iterable[OutgoingEvent]) -> None:
        """Return when Kafka has acknowledged all of them."""

    async def publish_tombstones(
        self, event: type[Event], keys: Collection[str], partition_counts: Collection[int] = ()
    ) -> None:
        """Publish tombstones, also where the keys were when the topic had so many partitions."""

    async def partition_count(self, event: type[Event]) -> int:
        """How many partitions the event's topic has."""

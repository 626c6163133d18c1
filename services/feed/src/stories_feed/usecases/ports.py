"""Ports that several use cases share; the others are next to their use case."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from stories_shared.events import StoryPosted
from stories_shared.events.outgoing import OutgoingEvent

from stories_feed.domain.edges import (
    EdgeKey,
    EdgeListEntry,
    EdgeListPosition,
    EdgeSet,
    FollowList,
    Kind,
    NotifyChoice,
)
from stories_feed.domain.live import LiveStory
from stories_feed.domain.visibility import Relation
from stories_feed.usecases.contents import Poster, StoredStory

PublishAll = Callable[[Iterable[OutgoingEvent]], Awaitable[None]]
"""Publishes events, and returns when all of them are acknowledged."""
ErasedUsers = Callable[[Collection[str]], Awaitable[Mapping[str, datetime]]]
"""The times of erasure of those of the users who were erased."""
ViewPolicy = Callable[[str, str | None], str | None]
"""Why a user in a country may not view stories, or None."""


@dataclass(frozen=True, slots=True)
class KnownStories:
    """Which of some stories have ended, and the revisions of those that are stored."""

    ended: Collection[str]
    revisions: Mapping[str, int]


class StoryRepository(Protocol):
    """The repository of stories. Reads of content take the lowest revision that is wanted of each story, by id."""

    async def known(self, story_ids: Collection[str]) -> KnownStories:
        """What is stored about these stories."""

    async def put(self, stories: Sequence[StoryPosted], known: KnownStories | None = None) -> None:
        """Store each, unless it has ended or the same or a newer revision is stored.

        ``known`` is what was stored about them a moment ago; None: it is read first.
        """

    async def recent_contents(self, stories: Mapping[str, int]) -> Mapping[str, StoredStory]:
        """The content of the stories that have a readable document of at least the given revision."""

    async def posters(self, stories: Mapping[str, int]) -> Mapping[str, Poster]:
        """Posters of the stories that have a document of at least the given revision."""

    def cached_poster(self, story_id: str) -> Poster | None:
        """The poster in this process, as `posters` would find it without reading."""

    def evict(self, story_id: str) -> None:
        """Drop a story from the caches of this process."""

    async def known_keys(self, story_ids: Collection[str]) -> Mapping[str, int]:
        """The seen keys of the stories that have one."""

    async def live(self, now: datetime) -> Sequence[LiveStory]:
        """Every story that has not expired."""

    async def deleted_since(self, since: datetime) -> Sequence[tuple[str, datetime]]:
        """Ids and times of deletions since a time. Expired stories need no mark: their ``expires_at`` refuses them."""


class EdgeRepository(Protocol):
    """The repository of edges, and of what follows from them. Lists hold edges that are in force, newest first."""

    async def change(
        self,
        keys: Collection[EdgeKey],
        update: Callable[[EdgeSet], None],
        *,
        publish: bool,
        since: datetime | None = None,
    ) -> None:
        """Load the edges around the keys, let ``update`` change them, and write them atomically.

        Args:
            keys: the edges to change.
            update: may be called several times, each time with newly loaded edges.
            publish: whether the changes of these keys are to be published.
            since: the earliest of the changes, if none is later than its own time: earlier erasures do not matter then.

        Raises:
            TooManyEdges: a user would exceed the limit of follows and mutes; nothing is written.
        """

    async def set_notify(self, key: EdgeKey, choice: NotifyChoice) -> None:
        """Whether a follower is notified of the target's new stories, if the edge is in force."""

    async def targets(
        self, kind: Kind, user: str, after: EdgeListPosition | None, limit: int
    ) -> Sequence[EdgeListEntry]:
        """The targets of a user's edges of this kind."""

    async def users(
        self, kind: Kind, target: str, after: EdgeListPosition | None, limit: int
    ) -> Sequence[EdgeListEntry]:
        """The users who have an edge of this kind to a target."""

    async def notified_followers(
        self, author_id: str, after: EdgeListPosition | None, limit: int
    ) -> Sequence[EdgeListEntry]:
        """Followers of an author who want to be notified, after a position, in the order of their follows."""

    async def relations(
        self, viewer_id: str, authors: Mapping[str, Collection[Kind]], follow_list: FollowList | None = None
    ) -> Mapping[str, Relation]:
        """The viewer's relation to each author, by the given kinds of edges.

        What the viewer's follow list says, if it was read for the same request, need not be read again.
        """

    async def follow_list(self, viewer_id: str) -> FollowList:
        """The users whom a viewer follows and mutes, and who hides from the viewer."""

    async def versions(self, viewers: Collection[str]) -> Mapping[str, int]:
        """A number for each viewer that changes with every edge that decides what they see; none without edges."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A viewer has seen the story with this key; the mark is kept until the story's planned end."""

    viewer_id: str
    seen_key: int
    until: datetime


class SeenRepository(Protocol):
    """The repository of seen marks."""

    async def mark(self, marks: Collection[Seen]) -> None:
        """Set each mark, once."""

    def seen(self, viewer_id: str, now: datetime) -> Awaitable[frozenset[int]]:
        """Keys of the stories that the viewer has seen and that may still be live.

        The query starts with the call, so that others can run beside it before this is awaited.
        """

    async def versions(self, viewers: Collection[str], now: datetime) -> Mapping[str, int]:
        """The number of each viewer's marks of stories that may still be live; none without marks."""


class LogStatus(Protocol):
    """How fresh the live index is."""

    ready: bool
    """Whether the index is loaded and has reached the end of the topics once."""

    def any_stale(self) -> bool:
        """Whether any partition has not been read in time; if none, no story is stale."""

    def stale(self, key: str) -> bool:
        """Whether the partitions of this story have not been read in time."""


class OutboxRelay(Protocol):
    """Publishes pending changes of edges (transactional outbox)."""

    async def publish_now(self, document_id: str) -> None:
        """Return when Kafka has acknowledged the pending event of this edge; Unavailable after 3 s."""

    def wake(self) -> None:
        """Start an iteration of the relay; an event is pending."""


@dataclass(frozen=True, slots=True)
class SignedUrl:
    """A presigned URL, when it ends, and until when it is used for new responses."""

    url: str
    ends_at: datetime
    used_until: datetime


class Media(Protocol):
    """Signs URLs of media."""

    def url(
        self, key: str, ttl: timedelta, expires_at: datetime, now: datetime, download_as: str | None = None
    ) -> SignedUrl:
        """A URL valid for whole seconds, at most ``ttl`` and not past ``expires_at``; reused for half its lifetime.

        Args:
            key: of the object.
            ttl: the maximum lifetime.
            expires_at: the end of the story, at least a second away.
            now: the time at which that was checked.
            download_as: the file name, if the URL is to download the object.
        """

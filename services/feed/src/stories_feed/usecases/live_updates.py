"""Live updates: changes of rings and of the author's own stories, sent to the clients connected to this replica.

A change of the index names an author. Of the connected viewers those who follow the author are found in memory, and
what each may see is decided as for every read. What no index tells (stories seen on another device, follows, mutes and
blocks) is found by comparing version numbers of the connected viewers' documents, once a second.

A message's id is ``<epoch>-<change>-<edges>-<seen>``: this process, the last change of the index that was sent, and the
versions of the viewer's edges and seen marks. A client that comes back with it gets what changed since, or ``reset``.
"""

import asyncio
from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from stories_shared.clock import Clock
from stories_shared.errors import Unavailable

from stories_feed.domain.edges import Kind
from stories_feed.domain.live import Appeared, Change, Changed
from stories_feed.domain.visibility import NO_ACCESS, Relation, may_see, ring_of
from stories_feed.usecases.live_connections import Connection, Viewer
from stories_feed.usecases.live_messages import (
    HEARTBEAT,
    RESUMABLE_CHANGES,
    RETRY,
    ChangeLog,
    Message,
    message,
    numbered,
    state_of,
)
from stories_feed.usecases.ports import EdgeRepository, ErasedUsers, SeenRepository, StoryRepository, ViewPolicy
from stories_feed.usecases.visible_stories import VisibleStories

# A story that has no document by then gets none: its author was erased.
DOCUMENT_WITHIN = timedelta(minutes=10)
# So many viewers share one round of queries.
VIEWERS_AT_ONCE = 200
ANNOUNCED_BY = frozenset((Kind.BLOCK, Kind.FOLLOW, Kind.CLOSE_FRIEND, Kind.HIDE, Kind.MUTE))


class LiveUpdates:
    """Every connection of this replica.

    Stories without a document are not announced yet, viewers outside of the rollout are told nothing, and connections
    beyond ``max_connections`` are refused. ``wake`` is called when there is something to announce.
    """

    def __init__(
        self,
        visible_stories: VisibleStories,
        edges: EdgeRepository,
        marks: SeenRepository,
        stories: StoryRepository,
        erased_users: ErasedUsers,
        now: Clock,
        max_connections: int,
        may_view: ViewPolicy = lambda _user, _country: None,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._visible_stories = visible_stories
        self._edges = edges
        self._marks = marks
        self._stories = stories
        self._erased_users = erased_users
        self._now = now
        self._max_connections = max_connections
        self._may_view = may_view
        self._wake = wake
        self._viewers: dict[str, Viewer] = {}
        self._log = ChangeLog()
        self._announced = 0
        self._pending: dict[str, Change] = {}
        self._closed = False
        self.connections = 0

    def on_change(self, change: Change) -> None:
        """Take a change of the index."""
        if not self._visible_stories.log_status.ready:
            return
        waiting = self._pending.get(change.story.story_id)
        if isinstance(waiting, Appeared) and isinstance(change, Changed):
            change = Appeared(change.story)
        self._pending[change.story.story_id] = change
        if len(self._pending) > RESUMABLE_CHANGES:
            self._start_again()
        self._wake()

    def _start_again(self) -> None:
        """Drop all connections: there is more to announce than is kept. Clients that come back get ``reset``."""
        self._pending.clear()
        self._log.start_again()
        self._end_all()

    @property
    def waiting(self) -> bool:
        """Whether something is to be announced."""
        return bool(self._pending)

    async def connect(
        self, viewer_id: str, country: str | None, ends_at: datetime | None, last_id: str | None
    ) -> Connection:
        """A new connection, which begins with what changed since ``last_id``, or with ``reset``.

        Raises:
            Unavailable: the index is loading, the service stops, or there are too many connections.
        """
        self._visible_stories.require_loaded()
        if self._closed or self.connections >= self._max_connections:
            raise Unavailable("connections", "this replica takes no further connections")
        viewer = self._viewers.setdefault(viewer_id, Viewer(viewer_id))
        viewer.country = country
        connection = Connection(ends_at, partial(self._disconnect, viewer))
        viewer.connections.append(connection)
        self.connections += 1
        try:
            since = self._announced
            async with viewer.loading:
                if not viewer.loaded:
                    viewer.erased_at = (await self._erased_users([viewer_id])).get(viewer_id)
                await self._refresh(viewer, (await self._versions([viewer_id]))[viewer_id])
                viewer.loaded = True
                await self._resume(viewer, connection, since, last_id)
        except BaseException:
            connection.close()
            raise
        return connection

    async def _resume(self, viewer: Viewer, connection: Connection, since: int, last_id: str | None) -> None:
        """Send what changed since a message, or ``reset``; without one, what changed while the connection was made.

        The connection may break after each message, so none has an id that stands for what follows it.
        """
        if last_id is not None:
            epoch, _, rest = last_id.partition("-")
            number, _, versions = rest.partition("-")
            same = epoch == self._log.epoch and versions == f"{viewer.edges_version}-{viewer.seen_version}"
            if not (same and number.isascii() and number.isdigit() and self._log.reaches(int(number))):
                connection.put(RETRY + message(self._id(viewer, since), "reset", {}))
                return
            since = int(number)
        changes, upto = list(self._log.since(since)) if viewer.admitted else [], self._announced
        own = {change.story_id: change.state for change in changes if change.author_id == viewer.viewer_id}
        messages: list[Message] = [("story", {"id": story_id, "state": state}) for story_id, state in own.items()]
        authors = {change.author_id for change in changes}
        if viewer.admitted:
            authors |= self._changing_authors()
        authors.discard(viewer.viewer_id)
        followed = {author for author in authors if viewer.follows_one_of((hash(author),))}
        if followed:
            rings, _ = await self._rings(viewer.viewer_id, followed)
            messages += [("ring", {"author_id": author, "ring": rings.get(author, "none")}) for author in followed]
            viewer.rings = {**rings, **viewer.rings}
        before, after = self._id(viewer, since), self._id(viewer, upto)
        connection.put(RETRY + f"id: {before if messages else after}\n\n".encode())
        for each in numbered(messages, before, after):
            connection.put(each)

    def _changing_authors(self) -> set[str]:
        """The authors of changes that are not announced yet, but for new stories, which are announced to all.

        `_refresh` has read the index with them already, so that the announcement would find nothing new.
        """
        return {c.story.author_id for c in self._pending.values() if not isinstance(c, Appeared)}

    def _disconnect(self, viewer: Viewer, connection: Connection) -> None:
        if connection in viewer.connections:
            viewer.connections.remove(connection)
            self.connections -= 1
            if not viewer.connections:
                self._viewers.pop(viewer.viewer_id, None)

    def close(self) -> None:
        """End every connection, and refuse new ones: the service stops."""
        self._closed = True
        self._end_all()

    def _end_all(self) -> None:
        for viewer in self._viewers.values():
            for connection in viewer.connections:
                connection.end()

    def heartbeat(self) -> None:
        """Send a comment to every client, which keeps proxies from closing the connection."""
        for viewer in self._viewers.values():
            viewer.send(HEARTBEAT)

    async def announce(self) -> None:
        """Send the changes of the index that wait. Stories without a document wait for it.

        Raises:
            Unavailable: MongoDB does not answer; the changes stay.
        """
        changes = await self._announceable()
        if not changes:
            return
        by_author: dict[str, list[Change]] = defaultdict(list)
        for change in changes:
            self._log.append(change)
            by_author[change.story.author_id].append(change)
        upto, hashes = self._log.number, [hash(author) for author in by_author]
        viewers = [
            viewer
            for viewer in self._viewers.values()
            if viewer.loaded and viewer.admitted and (viewer.viewer_id in by_author or viewer.follows_one_of(hashes))
        ]
        for number in range(0, len(viewers), VIEWERS_AT_ONCE):
            together = viewers[number : number + VIEWERS_AT_ONCE]
            await asyncio.gather(*(self._announce(viewer, by_author, upto) for viewer in together))
        self._announced = upto
        for change in changes:
            if self._pending.get(change.story.story_id) is change:
                del self._pending[change.story.story_id]

    async def _announceable(self) -> list[Change]:
        """The waiting changes, without new stories that have no document yet.

        They wait without a client too: one that connects before the document loads a tray that lacks the story.
        """
        changes = list(self._pending.values())
        new = {c.story.story_id: c.story.revision for c in changes if isinstance(c, Appeared)}
        if not new:
            return changes
        found, index, now = await self._stories.posters(new), self._visible_stories.index, self._now()
        for story_id in new.keys() - found.keys():
            waiting = self._pending.get(story_id)
            if waiting is not None and now - waiting.story.posted_at > DOCUMENT_WITHIN:
                del self._pending[story_id]
        changes = [change for change in changes if change.story.story_id in self._pending]
        return [
            change
            for change in changes
            if (name := change.story.story_id) not in new or name in found or index.get(name, now) is None
        ]

    async def _announce(self, viewer: Viewer, changes: Mapping[str, Sequence[Change]], upto: int) -> None:
        """Send a viewer the changes of their own stories, and rings of authors where they may know of the change."""
        own = [change for change in changes.get(viewer.viewer_id, ()) if not isinstance(change, Changed)]
        messages: list[Message] = [
            ("story", {"id": change.story.story_id, "state": state_of(change)}) for change in own
        ]
        followed = {a for a in changes if a != viewer.viewer_id and viewer.follows_one_of((hash(a),))}
        async with viewer.loading:
            rings, relations = await self._rings(viewer.viewer_id, followed) if followed else ({}, {})
            for author in followed:
                relation = relations.get(author, NO_ACCESS)
                shown = announced(relation) and any(
                    may_see(viewer.viewer_id, relation, change.story)
                    for change in changes[author]
                    if not isinstance(change, Changed)
                )
                messages += self._update(viewer, author, rings.get(author, "none"), again=shown)
            for each in numbered(messages, self._id(viewer, self._announced), self._id(viewer, upto)):
                viewer.send(each)

    def _update(self, viewer: Viewer, author: str, ring: str, *, again: bool = False) -> Sequence[Message]:
        """The message of a ring that is not what the viewer knows, or that is to be sent again."""
        known = viewer.rings.get(author, "none")
        if ring == known and not (again and ring != "none"):
            return ()
        if ring == "none":
            del viewer.rings[author]
        else:
            viewer.rings[author] = ring
        return (("ring", {"author_id": author, "ring": ring}),)

    async def _rings(
        self, viewer_id: str, authors: Collection[str]
    ) -> tuple[Mapping[str, str], Mapping[str, Relation]]:
        """The rings of followed authors whose stories the viewer may see, and the relations to all of them."""
        relations, seen = await asyncio.gather(
            self._edges.relations(viewer_id, dict.fromkeys(authors, ANNOUNCED_BY)),
            self._marks.seen(viewer_id, self._now()),
        )
        allowed = {author: relation for author, relation in relations.items() if announced(relation)}
        reels = self._visible_stories.visible_reels(viewer_id, allowed)
        if seen:
            await self._visible_stories.load_seen_keys(story for reel in reels.values() for story in reel)
        rings = {author: ring.state for author, reel in reels.items() if (ring := ring_of(author, reel, seen))}
        return rings, relations

    async def poll(self) -> None:
        """Poll for what the index does not tell: edges, stories seen elsewhere, erased users, ends of tokens."""
        now = self._now()
        for viewer in list(self._viewers.values()):
            for connection in viewer.connections:
                if connection.ends_at is not None and connection.ends_at <= now:
                    connection.end()
        viewers = [viewer for viewer in self._viewers.values() if viewer.loaded]
        for number in range(0, len(viewers), VIEWERS_AT_ONCE):
            await self._poll_viewers(viewers[number : number + VIEWERS_AT_ONCE])

    async def _poll_viewers(self, viewers: Sequence[Viewer]) -> None:
        names = [viewer.viewer_id for viewer in viewers]
        versions, erased = await asyncio.gather(self._versions(names), self._erased_users(names))
        changed = []
        for viewer in viewers:
            if erased.get(viewer.viewer_id) != viewer.erased_at:
                for connection in viewer.connections:
                    connection.end()
            elif self._differs(viewer, versions[viewer.viewer_id]):
                changed.append(viewer)
        await asyncio.gather(*(self._refresh_locked(viewer, versions[viewer.viewer_id]) for viewer in changed))

    def _admits(self, viewer: Viewer) -> bool:
        return self._may_view(viewer.viewer_id, viewer.country) is None

    def _differs(self, viewer: Viewer, versions: tuple[int, int]) -> bool:
        """Whether what the viewer knows is of other versions, or of before a change of the rollout."""
        return versions != (viewer.edges_version, viewer.seen_version) or viewer.admitted != self._admits(viewer)

    async def _versions(self, viewers: Sequence[str]) -> Mapping[str, tuple[int, int]]:
        edges, seen = await asyncio.gather(self._edges.versions(viewers), self._marks.versions(viewers, self._now()))
        return {viewer: (edges.get(viewer, 0), seen.get(viewer, 0)) for viewer in viewers}

    async def _refresh_locked(self, viewer: Viewer, versions: tuple[int, int]) -> None:
        async with viewer.loading:
            await self._refresh(viewer, versions)

    async def _refresh(self, viewer: Viewer, versions: tuple[int, int]) -> None:
        """Load what the viewer follows and has seen, and send the rings that differ. Versions are read first."""
        if viewer.loaded and not self._differs(viewer, versions):
            return
        viewer.admitted = self._admits(viewer)
        follow_list = await self._edges.follow_list(viewer.viewer_id)
        viewer.follows = array("q", sorted(map(hash, follow_list.following)))
        following = follow_list.following if viewer.admitted else ()
        live = self._visible_stories.index.live_among(following) - follow_list.muted - follow_list.hidden_by
        rings, _ = await self._rings(viewer.viewer_id, live)
        before = self._id(viewer, self._announced)
        viewer.edges_version, viewer.seen_version = versions
        if viewer.loaded:
            authors = {*viewer.rings, *rings}
            messages = [each for author in authors for each in self._update(viewer, author, rings.get(author, "none"))]
            for each in numbered(messages, before, self._id(viewer, self._announced)):
                viewer.send(each)
        else:
            viewer.rings = dict(rings)

    def _id(self, viewer: Viewer, number: int) -> str:
        return f"{self._log.epoch}-{number}-{viewer.edges_version}-{viewer.seen_version}"


def announced(relation: Relation) -> bool:
    """Whether an author's stories are announced to a viewer, if the viewer may see them."""
    return relation.follows and not relation.muted

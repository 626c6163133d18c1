"""What still stands: the endings, switches and blocks that tickets are judged by, in memory on every replica."""

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime, timedelta

REMEMBER_ENDED = timedelta(hours=72)
"""How long an ending is remembered here: longer than any ticket of the story can live."""

REMEMBER_UNBLOCKED = timedelta(days=30)
"""How long a lifted block or an erased person is remembered, so that an older block heard later does not stand again
(topics keep 7 d)."""

NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Known:
    """A live story, as its author last set it."""

    author_id: str
    expires_at: datetime
    revision: int
    access_revision: int
    comments: str
    reactions: bool
    sharing: bool
    view_list: bool


@dataclass(frozen=True, slots=True)
class Edge:
    """The newest word about a block: whether it is on, and since when."""

    on: bool
    at: datetime

    def outdone_by(self, other: "Edge") -> bool:
        """The newer wins; at the same time, the one that blocks: of two words the one that shows less."""
        return other.at > self.at or (other.at == self.at and other.on and not self.on)


class Standing:
    """Pure data: the same facts in any order, any number of times, leave the same standing."""

    def __init__(self) -> None:
        self._stories: dict[str, Known] = {}
        self._ended: dict[str, datetime] = {}
        self._edges: dict[tuple[str, str], Edge] = {}
        self._avoids: dict[str, set[str]] = {}
        self._erased: dict[str, datetime] = {}

    def post(self, story_id: str, known: Known) -> None:
        """A story was posted or changed. Older revisions and ended stories change nothing."""
        held = self._stories.get(story_id)
        if story_id not in self._ended and (held is None or held.revision < known.revision):
            self._stories[story_id] = known

    def end(self, story_id: str, heard_at: datetime) -> None:
        """A story has ended, for good."""
        self._ended.setdefault(story_id, heard_at)
        self._stories.pop(story_id, None)

    def block(self, user_id: str, target_id: str, edge: Edge) -> None:
        """A block was set or lifted; words about erased people from before their erasure are nobody's."""
        held = self._edges.get((user_id, target_id))
        if held is not None and not held.outdone_by(edge):
            return
        if any(edge.at <= self._erased[one] for one in (user_id, target_id) if one in self._erased):
            return
        self._edges[user_id, target_id] = edge
        self._settle(user_id, target_id)

    def erase(self, user_id: str, until: datetime) -> None:
        """A person was erased: blocks set by or against them up to then are forgotten."""
        self._erased[user_id] = until = max(until, self._erased.get(user_id, until))
        old = [pair for pair, edge in self._edges.items() if user_id in pair and edge.at <= until]
        for pair in old:
            del self._edges[pair]
            self._settle(*pair)

    def story(self, story_id: str, now: datetime) -> Known | None:
        """The story, if this replica has heard of it and it lives."""
        known = self._stories.get(story_id)
        return known if known is not None and known.expires_at > now else None

    def over(self, story_id: str, now: datetime) -> bool:
        """Whether the story is known to have ended, by word or by the clock."""
        if story_id in self._ended:
            return True
        known = self._stories.get(story_id)
        return known is not None and known.expires_at <= now

    def apart(self, one: str, other: str) -> bool:
        """Whether a block stands between two people, either way."""
        return other in self._avoids.get(one, NOBODY)

    def avoids(self, user_id: str) -> Set[str]:
        """Everybody on the other side of a block from this person, either way."""
        return self._avoids.get(user_id, NOBODY)

    def prune(self, now: datetime) -> None:
        """Forget what can no longer matter."""
        for story_id in [s for s, known in self._stories.items() if known.expires_at + REMEMBER_ENDED < now]:
            del self._stories[story_id]
        for story_id in [s for s, at in self._ended.items() if at + REMEMBER_ENDED < now]:
            del self._ended[story_id]
        lifted = [p for p, edge in self._edges.items() if not edge.on and edge.at + REMEMBER_UNBLOCKED < now]
        for pair in lifted:
            del self._edges[pair]
        for user_id in [u for u, at in self._erased.items() if at + REMEMBER_UNBLOCKED < now]:
            del self._erased[user_id]

    def _settle(self, one: str, other: str) -> None:
        """Note whether two people are apart, by what is known of either side."""
        edges = self._edges.get((one, other)), self._edges.get((other, one))
        if any(edge is not None and edge.on for edge in edges):
            self._avoids.setdefault(one, set()).add(other)
            self._avoids.setdefault(other, set()).add(one)
        else:
            self._part(one, other)
            self._part(other, one)

    def _part(self, user_id: str, target_id: str) -> None:
        avoided = self._avoids.get(user_id)
        if avoided is not None:
            avoided.discard(target_id)
            if not avoided:
                del self._avoids[user_id]

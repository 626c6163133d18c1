"""Who may see a story and comment on it. One rule for tray, rings, reels, For You and single stories."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from stories_feed.domain.live import Audience, LiveStory


class Access(Protocol):
    """The access settings of a story."""

    @property
    def audience(self) -> Audience:
        """The audience."""

    @property
    def hide_from(self) -> Collection[str]:
        """Users who may not see it although the audience includes them."""


@dataclass(frozen=True, slots=True)
class Relation:
    """The relation of a viewer to an author."""

    own: bool = False
    """The viewer is the author."""
    follows: bool = False
    """The viewer follows the author."""
    followed: bool = False
    """The author follows the viewer."""
    close: bool = False
    """The viewer is a close friend of the author."""
    blocked: bool = False
    """Either of them blocks the other."""
    hidden: bool = False
    """The author hides all stories from the viewer."""
    muted: bool = False
    """The viewer mutes the author."""

    @property
    def friend(self) -> bool:
        """Whether they follow each other."""
        return self.follows and self.followed


NO_ACCESS = Relation(blocked=True)


def may_see(viewer_id: str, relation: Relation, story: Access) -> bool:
    """Whether the viewer may see the story while it is live: every one of ``ACCESS_RULES`` passes."""
    if story.audience == "everyone" and not story.hide_from and not (relation.blocked or relation.hidden):
        return True  # as the rules have it: so it is for almost every story that is read
    return relation.own or (
        not_blocked(viewer_id, relation, story)
        and not_hidden(viewer_id, relation, story)
        and in_audience(viewer_id, relation, story)
    )


def not_blocked(_viewer_id: str, relation: Relation, _story: Access) -> bool:
    """Whether neither of them blocks the other."""
    return not relation.blocked


def not_hidden(viewer_id: str, relation: Relation, story: Access) -> bool:
    """Whether the author hides neither this story nor all stories from the viewer."""
    return not relation.hidden and viewer_id not in story.hide_from


def in_audience(_viewer_id: str, relation: Relation, story: Access) -> bool:
    """Whether the viewer belongs to the story's audience."""
    if story.audience == "everyone":
        return True
    if story.audience == "followers":
        return relation.follows
    return relation.friend if story.audience == "friends" else relation.close


AccessRule = Literal["block", "hide_from", "audience"]
ACCESS_RULES: Mapping[AccessRule, Callable[[str, Relation, Access], bool]] = {
    "block": not_blocked,
    "hide_from": not_hidden,
    "audience": in_audience,
}
"""The rules of `may_see` by name. They do not apply to the author."""


def may_comment(relation: Relation, comments: str) -> bool:
    """Whether the viewer may comment. ``comments`` is ``everyone``, ``friends`` (and the author) or ``nobody``."""
    return comments == "everyone" or (comments == "friends" and (relation.own or relation.friend))


@dataclass(frozen=True, slots=True)
class Ring:
    """The ring of an author for one viewer, who may see at least one of the author's stories."""

    author_id: str
    stories: int
    unseen: int
    latest_at: datetime
    expires_at: datetime
    latest_id: str

    @property
    def state(self) -> Literal["unseen", "seen"]:
        """``unseen`` while there is an unseen story, else ``seen``."""
        return "unseen" if self.unseen else "seen"

    @property
    def rank(self) -> tuple[bool, float, str]:
        """The sort key of rings in a tray: unseen first, then newest."""
        return not self.unseen, -self.latest_at.timestamp(), self.author_id


def ring_of(author_id: str, stories: Sequence[LiveStory], seen: Collection[int]) -> Ring | None:
    """The ring of stories that the viewer may see; it ends when the last of them does.

    Args:
        author_id: the author.
        stories: in the order of the reel, with their seen keys loaded.
        seen: keys of the stories that the viewer has seen.
    """
    if not stories:
        return None
    latest = stories[-1]
    unseen, expires_at = 0, latest.expires_at
    for story in stories:
        if story.seen_key not in seen:
            unseen += 1
        if story.expires_at > expires_at:
            expires_at = story.expires_at
    return Ring(author_id, len(stories), unseen, latest.posted_at, expires_at, latest.story_id)

"""Comments and their visibility."""

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Comment:
    """A top-level comment, or a reply to one. `hidden`: it or its parent contains a hidden word of the author."""

    id: str
    story_id: str
    writer_id: str
    text: str
    created_at: datetime
    reply_to: str | None = None
    replies: int = 0
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader of a story's comments: `blocked` are users with a block in either direction."""

    user_id: str
    is_author: bool = False
    wants_hidden: bool = False
    blocked: Set[str] = frozenset()

    def may_see(self, comment: Comment) -> bool:
        """Writers see their own comments; others none across a block, and hidden ones only as the author on request."""
        if comment.writer_id == self.user_id:
            return True
        if comment.writer_id in self.blocked:
            return False
        return not comment.hidden or (self.is_author and self.wants_hidden)

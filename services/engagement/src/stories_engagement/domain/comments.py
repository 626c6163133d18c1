"""Comments: what one is, and who gets to read it."""

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment, or a reply to a top one. `hidden`: it, or what it hangs on, has one of the author's hidden words."""

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
    """Who reads comments of a story: `blocked` are the people on the other side of a block, either way."""

    user_id: str
    is_author: bool = False
    wants_hidden: bool = False
    blocked: Set[str] = frozenset()

    def may_see(self, comment: Comment) -> bool:
        """The writer always does; others not across a block, nor what is hidden, but for the author who asks for it."""
        if comment.writer_id == self.user_id:
            return True
        if comment.writer_id in self.blocked:
            return False
        return not comment.hidden or (self.is_author and self.wants_hidden)

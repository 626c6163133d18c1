"""What all fakes of engagement store."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

from stories_shared.events import StoryPosted
from stories_shared.testing.erased_users import MemoryErasedUsers

from stories_engagement.domain.access_state import BlockState, LiveStory
from stories_engagement.domain.answers import Answer
from stories_engagement.domain.comments import Comment
from stories_engagement.domain.errors import NotFound
from stories_engagement.domain.insights import Insights
from stories_engagement.domain.views import Block, StoryCounter, ViewerRow

Key = tuple[str, str]

FAR = datetime(9000, 1, 1, tzinfo=UTC)
"""Later than every time in a test: the default of what has no time."""


@dataclass
class MemoryDatabase:
    """The data of all fakes."""

    counters: dict[str, StoryCounter] = field(default_factory=dict)
    viewers: Counter[str] = field(default_factory=Counter)
    plays: Counter[str] = field(default_factory=Counter)
    rows: dict[Key, ViewerRow] = field(default_factory=dict)
    stories: dict[str, LiveStory] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)
    sealed: dict[str, Insights] = field(default_factory=dict)
    block_states: dict[Key, BlockState] = field(default_factory=dict)
    blocks: dict[Key, Block] = field(default_factory=dict)
    privacy: dict[str, tuple[bool, datetime, datetime | None]] = field(default_factory=dict)
    unlist: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    erased_users: MemoryErasedUsers = field(default_factory=MemoryErasedUsers)
    reactions: dict[Key, tuple[str | None, datetime]] = field(default_factory=dict)
    shares: dict[Key, datetime] = field(default_factory=dict)
    answers: dict[tuple[str, str, str], tuple[Answer | None, datetime]] = field(default_factory=dict)
    comments: dict[str, Comment] = field(default_factory=dict)
    words: dict[str, tuple[tuple[str, ...], datetime]] = field(default_factory=dict)
    rehide: dict[str, datetime] = field(default_factory=dict)
    erase_at: dict[str, datetime] = field(default_factory=dict)
    authors: dict[str, str] = field(default_factory=dict)
    content: dict[str, StoryPosted] = field(default_factory=dict)

    @property
    def erased(self) -> dict[str, datetime]:
        """Until when users were erased."""
        return {user_id: mark.until for user_id, mark in self.erased_users.marks.items()}

    def live(self, story_id: str, author_id: str | None = None) -> None:
        """Raises `NotFound` for a story that has ended."""
        if story_id in self.ended:
            raise NotFound
        if author_id is not None:
            self.authors.setdefault(story_id, author_id)

"""In-memory fakes of the ports that tests of use cases need. One contract suite runs over them and over MongoDB."""

from stories_engagement.testing.in_memory.answers import MemoryAnswers
from stories_engagement.testing.in_memory.comments import MemoryComments
from stories_engagement.testing.in_memory.database import MemoryDatabase
from stories_engagement.testing.in_memory.engagements import MemoryReactions, MemoryShares
from stories_engagement.testing.in_memory.insights import FLOOR, MemoryInsights
from stories_engagement.testing.in_memory.stories import MemoryStories
from stories_engagement.testing.in_memory.users import MemoryBlocks, MemoryPrivacy, MemoryUserErasure
from stories_engagement.testing.in_memory.views import MemoryCounters, MemoryViews

__all__ = [
    "FLOOR",
    "MemoryAnswers",
    "MemoryBlocks",
    "MemoryComments",
    "MemoryCounters",
    "MemoryDatabase",
    "MemoryInsights",
    "MemoryPrivacy",
    "MemoryReactions",
    "MemoryShares",
    "MemoryStories",
    "MemoryUserErasure",
    "MemoryViews",
]

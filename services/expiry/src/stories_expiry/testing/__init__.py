"""In-memory ports of expiry, and builders of records."""

from stories_expiry.testing.accounts import MemoryAccounts
from stories_expiry.testing.builders import record, story_posted
from stories_expiry.testing.replicas import MemoryReplicas
from stories_expiry.testing.stories import MemoryStories

__all__ = ["MemoryAccounts", "MemoryReplicas", "MemoryStories", "record", "story_posted"]

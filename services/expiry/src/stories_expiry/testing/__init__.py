"""In-memory ports of expiry, and builders of records."""

from stories_expiry.testing.builders import record, story_posted
from stories_expiry.testing.in_memory import MemoryAccounts, MemoryReplicas, MemoryStories

__all__ = ["MemoryAccounts", "MemoryReplicas", "MemoryStories", "record", "story_posted"]

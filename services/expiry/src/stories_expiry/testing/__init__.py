"""In-memory ports of expiry, and builders of what it hears."""

from stories_expiry.testing.accounts import FakeAccounts
from stories_expiry.testing.facts import fact, story_posted
from stories_expiry.testing.replicas import FakeRoster
from stories_expiry.testing.stories import FakeStories

__all__ = ["FakeAccounts", "FakeRoster", "FakeStories", "fact", "story_posted"]

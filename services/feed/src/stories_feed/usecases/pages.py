"""Bounds of a page of items, which may be shorter than its limit and still have a next one."""

from itertools import accumulate

from stories_feed.domain.live import LiveStory

MAX_SCANNED = 5_000
"""Stories that a page of For You looks at."""
MAX_ROUNDS = 10
"""Round trips to the store for one page."""
MAX_BYTES = 2**20
"""Content of a page, unless its only story is larger."""


def bounded(stories: list[LiveStory], at_least: int = 1) -> list[LiveStory]:
    """The first stories that fit into one response, but ``at_least`` so many."""
    sizes = accumulate(story.size for story in stories)
    return stories[: max(at_least, sum(size <= MAX_BYTES for size in sizes))]

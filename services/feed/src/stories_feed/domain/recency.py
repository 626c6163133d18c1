"""Live stories by a key that many share, such as a hashtag, newest first. It follows the live index."""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from heapq import nsmallest

from sortedcontainers import SortedDict

from stories_feed.domain.live import Change, Changed, Ended, LiveStory, RecencyKey

# How many keys a search by prefix looks at.
MAX_KEYS_SCANNED = 10_000


class RecencyLists:
    """The stories of each key."""

    def __init__(self, keys_of: Callable[[LiveStory], Iterable[str]]) -> None:
        self._keys_of = keys_of
        self._lists: SortedDict[str, list[RecencyKey]] = SortedDict()

    def on_change(self, change: Change) -> None:
        """Follow a change of the live index."""
        if isinstance(change, Changed):
            self._remove(change.previous)
        elif isinstance(change, Ended):
            self._remove(change.story)
            return
        for key in self._keys_of(change.story):
            insort(self._lists.setdefault(key, []), change.story.recency_key)

    def newest(self, key: str, before: RecencyKey | None) -> Iterator[str]:
        """Ids of the stories of a key, newest first, after a position. Do not await while iterating."""
        found = self._lists.get(key, [])
        for number in range(len(found) if before is None else bisect_left(found, before), 0, -1):
            yield found[number - 1][-1]

    def with_prefix(self, prefix: str, limit: int) -> list[tuple[str, int]]:
        """Keys that begin so, and how many stories each has: those with most stories first."""
        found: list[tuple[str, int]] = []
        for key in self._lists.irange(minimum=prefix):
            if not key.startswith(prefix) or len(found) == MAX_KEYS_SCANNED:
                break
            found.append((key, len(self._lists[key])))
        return nsmallest(limit, found, key=lambda each: (-each[1], each[0]))

    def _remove(self, story: LiveStory) -> None:
        for key in self._keys_of(story):
            stories = self._lists[key]
            del stories[bisect_left(stories, story.recency_key)]
            if not stories:
                del self._lists[key]


def public_hashtags(story: LiveStory) -> Iterable[str]:
    """The hashtags by which everyone may find a story."""
    return story.hashtags if story.audience == "everyone" else ()


def mentioned_users(story: LiveStory) -> Iterable[str]:
    """The users whom a story mentions."""
    return story.mentions

"""Follow lists, which are read for every tray. Long ones are kept in memory and used while their version stands."""

from collections import OrderedDict
from sys import intern

from stories_shared.mongo.client import Collection, Document
from stories_shared.mongo.data_loader import DataLoader

from stories_feed.domain.edges import FollowList

FOLLOW_LISTS = "choices"
"""The collection."""
HIDDEN_BY = "hidden_by"
LISTS = ("following", "muted", HIDDEN_BY)
VERSION = ("n", "list_id")
"""``n`` grows with every change of a list; ``list_id`` tells one from the list that an erased user had before."""
EMPTY = FollowList((), frozenset())

LONG = 500
"""Follows from which a list is kept: to read a shorter one costs little more than to ask for its version."""
MAX_KEPT = 500_000
"""Follows in all kept lists: eight bytes each, and the ids, which lists share."""

Version = tuple[object, ...]


class FollowLists:
    """Reads follow lists as MongoDB has them at the time of the call."""

    def __init__(self, lists: Collection, max_kept: int = MAX_KEPT) -> None:
        self._lists = DataLoader(lists, dict.fromkeys((*LISTS, *VERSION), 1))
        self._versions = DataLoader(lists, dict.fromkeys(VERSION, 1))
        self._kept: OrderedDict[str, tuple[Version, FollowList]] = OrderedDict()
        self._max_kept = max_kept
        self._size = 0

    async def get(self, viewer_id: str) -> FollowList:
        """The users whom a viewer follows and mutes, and who hides from them."""
        if viewer_id in self._kept:
            latest = await self._versions.get(viewer_id)
            kept = self._kept.get(viewer_id)
            if kept is not None and latest is not None and kept[0] == version_of(latest):
                self._kept.move_to_end(viewer_id)
                return kept[1]
        document = await self._lists.get(viewer_id)
        self._drop(viewer_id)
        if document is None:
            return EMPTY
        following = document.get("following", ())
        found = FollowList(following, frozenset(document.get("muted", ())), frozenset(document.get(HIDDEN_BY, ())))
        if len(following) >= LONG:
            found = FollowList(tuple(map(intern, following)), found.muted, found.hidden_by)
            self._kept[viewer_id] = version_of(document), found
            self._size += len(following)
            while self._size > self._max_kept:
                self._drop(next(iter(self._kept)))
        return found

    def _drop(self, viewer_id: str) -> None:
        dropped = self._kept.pop(viewer_id, None)
        if dropped is not None:
            self._size -= len(dropped[1].following)


def version_of(document: Document) -> Version:
    """What differs between any two states of a list."""
    return tuple(map(document.get, VERSION))

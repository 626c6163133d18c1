"""Plays that this process has counted recently: replays are recognised without a query."""

from collections import OrderedDict
from collections.abc import Iterable

from stories_engagement.domain.views import Play, View


class RecentPlays:
    """An LRU cache of `bound` plays. The database decides about plays that it does not hold."""

    def __init__(self, bound: int = 100_000) -> None:
        self._bound = bound
        self._plays: OrderedDict[tuple[str, str, str], Play] = OrderedDict()

    def clear(self) -> None:
        """Empty the cache."""
        self._plays.clear()

    def is_replay(self, view: View) -> bool:
        """Whether this view adds nothing to what was counted here before."""
        counted = self._plays.get((view.story_id, view.viewer_id, view.play_id))
        return counted is not None and counted.merged(view.play) == counted

    def remember(self, views: Iterable[View]) -> None:
        """Record views that are decided: counted or dropped."""
        for view in views:
            key = (view.story_id, view.viewer_id, view.play_id)
            counted = self._plays.pop(key, None)
            self._plays[key] = view.play if counted is None else counted.merged(view.play)
        while len(self._plays) > self._bound:
            self._plays.popitem(last=False)

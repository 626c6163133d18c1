"""Plays this process has counted lately: a replay is recognised without asking the database."""

from collections import OrderedDict
from collections.abc import Iterable

from stories_engagement.domain.views import Play, View


class RecentPlays:
    """The last `bound` plays. What it does not know is judged by the database, so it may forget at any time."""

    def __init__(self, bound: int = 100_000) -> None:
        self._bound = bound
        self._plays: OrderedDict[tuple[str, str, str], Play] = OrderedDict()

    def clear(self) -> None:
        """Forget everything, as a new process would have."""
        self._plays.clear()

    def is_replay(self, view: View) -> bool:
        """Whether everything this view says was counted here before."""
        known = self._plays.get((view.story_id, view.viewer_id, view.play_id))
        return known is not None and known.merged(view.play) == known

    def remember(self, views: Iterable[View]) -> None:
        """Note views that are settled: counted, or dropped for good."""
        for view in views:
            key = (view.story_id, view.viewer_id, view.play_id)
            known = self._plays.pop(key, None)
            self._plays[key] = view.play if known is None else known.merged(view.play)
        while len(self._plays) > self._bound:
            self._plays.popitem(last=False)

"""The kinds of rows that a story counts in its engagements document. A further counted kind is one more entry here.

The entry drives the collection's indexes, what a row adds to the story's counters, what is published when they change,
and how rows leave with their story, with their person or by themselves.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pymongo import ASCENDING, IndexModel

Row = Mapping[str, Any]
Delta = Counter[str]
"""By how much counters change, by their paths in the engagements document."""

REACTIONS, COMMENTS, SHARES = "reactions", "comments", "shares"


@dataclass(frozen=True, slots=True)
class RowKind:
    """One kind of rows.

    Args:
        total: the counter of the kind, which is also the kind in `story-engaged`.
        collection: where its rows are.
        person: the field that says whose a row is.
        delta_of: what a row adds to the counters.
        breakdown: a map of counters beside the total, by what people chose; it leaves with the story.
        hangs_on: the field that says which other row of the kind a row hangs on, and leaves with.
        hanging: the field that counts the rows hanging on a row that count themselves.
        indexes: besides the one by person.
    """

    total: str
    collection: str
    user_field: str
    delta_of: Callable[[Row], Delta]
    breakdown: str | None = None
    parent_field: str | None = None
    child_count_field: str = ""
    indexes: tuple[IndexModel, ...] = ()

    def of_story(self, story_id: str) -> dict[str, Any]:
        """The rows of a story: those of one person and one story have both ids in `_id`, which needs no index."""
        if self.parent_field:
            return {"story_id": story_id}
        return {"_id": {"$gte": f"{story_id}/", "$lt": f"{story_id}0"}}


def reaction_delta(row: Row) -> Delta:
    """A withdrawn reaction leaves its row, so that withdrawing can be repeated."""
    emoji = row["emoji"]
    return Counter({"reaction": 1, f"emoji.{emoji}": 1}) if emoji is not None else Counter()


def comment_delta(row: Row) -> Delta:
    """Hidden comments count for nobody."""
    return Counter() if row["hidden"] else Counter({"comment": 1})


def share_delta(_row: Row) -> Delta:
    return Counter({"share": 1})


BY_PARENT = [("story_id", ASCENDING), ("reply_to", ASCENDING), ("at", ASCENDING), ("_id", ASCENDING)]

REACTION = RowKind("reaction", REACTIONS, "viewer_id", reaction_delta, breakdown="emoji")
SHARE = RowKind("share", SHARES, "viewer_id", share_delta)
COMMENT = RowKind(
    "comment",
    COMMENTS,
    "writer_id",
    comment_delta,
    parent_field="reply_to",
    child_count_field="replies",
    indexes=(
        IndexModel(BY_PARENT, name="hanging"),
        IndexModel([("story_id", ASCENDING), ("_id", ASCENDING)], name="story"),
    ),
)

ROW_KINDS = (REACTION, COMMENT, SHARE)
BY_COLLECTION = {kind.collection: kind for kind in ROW_KINDS}
TOTALS = tuple(kind.total for kind in ROW_KINDS)
BREAKDOWNS = tuple(kind.breakdown for kind in ROW_KINDS if kind.breakdown)

NO_ENGAGEMENTS: dict[str, Any] = {"author_id": None, "seq": 0, **dict.fromkeys(TOTALS, 0)}
"""The counters of a story that nobody has done anything with."""

"""The registry of row kinds that a story counts in its engagements document. A new counted kind is one more entry.

An entry drives the indexes, the counters of a row, the events published when they change, and the deletion of rows with
their story, with their user or one by one.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson.regex import Regex
from pymongo import ASCENDING, DESCENDING, IndexModel
from stories_shared.events import CommentCreated, CommentRemoved, Event, StoryReacted

Row = Mapping[str, Any]
Delta = Counter[str]
"""Increments of counters, by their paths in the engagements document."""

REACTIONS, COMMENTS, SHARES, ANSWERS = "reactions", "comments", "shares", "answers"


EventOf = Callable[[Row | None, Row | None, str, datetime], Event | None]


@dataclass(frozen=True, slots=True)
class RowKind:
    """One kind of rows.

    Args:
        total: the field of the counter, also the kind in `story-engaged`.
        collection: of the rows.
        user_field: the field with the user's id.
        delta_of: the counters that a row increments.
        breakdown: a map of counters by choice, beside the total; removed when the story ends.
        parent_field: the field with the parent row's id; children are deleted with their parent.
        child_count_field: the field with the number of counted children.
        indexes: besides the one by user.
        event_of: the event of a change of a row: the row before and after it, the story's author, the time.
    """

    total: str
    collection: str
    user_field: str
    delta_of: Callable[[Row], Delta]
    breakdown: str | None = None
    parent_field: str | None = None
    child_count_field: str = ""
    indexes: tuple[IndexModel, ...] = ()
    event_of: EventOf | None = None

    def of_stories(self, story_ids: Sequence[str]) -> dict[str, Any]:
        """Filter for the rows of stories. Those of one user and one story have both ids in `_id` and need no index."""
        return {"story_id": {"$in": story_ids}} if self.parent_field else {"_id": of_stories(story_ids)}


def of_stories(story_ids: Sequence[str]) -> dict[str, Any]:
    """Condition for ids that begin with those of stories and a slash: one scan of an index, of a range for each."""
    return {"$in": [Regex(f"^{re.escape(story_id)}/") for story_id in story_ids]}


def reaction_delta(row: Row) -> Delta:
    """A withdrawn reaction keeps its row and counts nothing."""
    emoji = row["emoji"]
    return Counter({"reaction": 1, f"emoji.{emoji}": 1}) if emoji is not None else Counter()


def comment_delta(row: Row) -> Delta:
    """Hidden comments count nothing."""
    return Counter() if row["hidden"] else Counter({"comment": 1})


def share_delta(_row: Row) -> Delta:
    return Counter({"share": 1})


def reaction_event(before: Row | None, after: Row | None, author_id: str, now: datetime) -> Event | None:
    """`story-reacted` for another emoji, also where the row is deleted with its user."""
    emoji, row = (after or {}).get("emoji"), after or before
    if row is None or emoji == (before or {}).get("emoji"):
        return None
    at = after["at"] if after else now
    story_id = row["_id"].split("/")[0]
    return StoryReacted(story_id=story_id, author_id=author_id, user_id=row["viewer_id"], emoji=emoji, at=at)


def comment_event(before: Row | None, after: Row | None, author_id: str, now: datetime) -> Event | None:
    """`comment-created` when a comment becomes visible to others, `comment-removed` when it no longer is."""
    visible_before, visible = before is not None and not before["hidden"], after is not None and not after["hidden"]
    row = after or before
    if row is None or visible == visible_before:
        return None
    fields: dict[str, Any] = {
        "story_id": row["story_id"],
        "author_id": author_id,
        "comment_id": row["_id"],
        "user_id": row["writer_id"],
        "reply_to": row["reply_to"],
        "at": row["at"] if visible and before is None else now,
    }
    return CommentCreated(**fields) if visible else CommentRemoved(**fields)


def answer_key(layer_id: str, choice: int) -> str:
    """The counter of one choice of a layer."""
    return f"{layer_id}:{choice}"


def answer_delta(row: Row) -> Delta:
    """A withdrawn answer keeps its row and counts nothing."""
    return Counter(
        {"answer": 1, f"answers.{answer_key(row['layer_id'], row['option'] or 0)}": 1} if row["given"] else {}
    )


BY_PARENT = [("story_id", ASCENDING), ("reply_to", ASCENDING), ("at", ASCENDING), ("_id", ASCENDING)]

REACTION = RowKind("reaction", REACTIONS, "viewer_id", reaction_delta, breakdown="emoji", event_of=reaction_event)
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
    event_of=comment_event,
)

BY_LAYER = [("story_id", ASCENDING), ("layer_id", ASCENDING), ("given", ASCENDING), ("at", DESCENDING)]
ANSWER = RowKind(
    "answer",
    ANSWERS,
    "viewer_id",
    answer_delta,
    breakdown="answers",
    indexes=(IndexModel([*BY_LAYER, ("viewer_id", DESCENDING)], name="layer"),),
)

ROW_KINDS = (REACTION, COMMENT, SHARE, ANSWER)
BY_COLLECTION = {kind.collection: kind for kind in ROW_KINDS}
TOTALS = tuple(kind.total for kind in ROW_KINDS)
BREAKDOWNS = tuple(kind.breakdown for kind in ROW_KINDS if kind.breakdown)

NO_ENGAGEMENTS: dict[str, Any] = {"author_id": None, "seq": 0, **dict.fromkeys(TOTALS, 0)}
"""The counters of a story without engagements."""

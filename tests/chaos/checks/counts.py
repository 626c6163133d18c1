"""Counts of stories equal the operations in the history."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pymongo import MongoClient

from ..model import Story
from ..webhook_receivers import ADMIN
from .stories import ABOUT_TO_END_S, StoryChecks

Counts: TypeAlias = Mapping[str, Any]
KEPT = {"viewers", "plays", "comment"}
CONSUMED_S = 3.0
"""Without faults a view is counted well within this time."""
AT_ONCE = 4
"""Stories counted concurrently."""


@dataclass
class CountChecks:
    """Reads counts as the author, at the gateway and at every replica of engagement."""

    ask: StoryChecks

    async def live(self) -> None:
        """counts = distinct viewers in the list = plays, reactions and comments of the model"""
        for endpoint in ("gateway", *(name for name in self.ask.endpoints if name.startswith("engagement"))):
            for first in range(0, len(self.ask.model.stories), AT_ONCE):
                some = self.ask.model.stories[first : first + AT_ONCE]
                await asyncio.gather(*(self._count(story, endpoint) for story in some))

    async def _count(self, story: Story, endpoint: str) -> None:
        author, path = story.author, f"/v1/stories/{story.id}"
        if story.id is None or story.state != "live" or story.maybe_deleted:
            return
        counts = await self.ask.known(author, f"{path}/counts", endpoint)
        viewers = await self.ask.known(author, f"{path}/viewers", endpoint, limit=100)
        reactions = await self.ask.known(author, f"{path}/reactions", endpoint)
        if (story.expires_at or 0) - ABOUT_TO_END_S < reactions.ended:
            return
        if {counts.status, viewers.status, reactions.status} != {200}:
            statuses = (counts.status, viewers.status, reactions.status)
            self.ask.wrong("an author can read counts", story=story.id, endpoint=endpoint, statuses=statuses)
            return
        sure, may = self.viewers(story)
        plays = Counter(play.maybe and play.accepted is None for each in story.plays.values() for play in each.values())
        accepted = sum(play.accepted is not None for each in story.plays.values() for play in each.values())
        listed = {item["viewer_id"] for item in viewers.body["items"]}
        apart = {
            viewer
            for viewer in may
            if True in self.ask.model.apart(viewer, author, viewers.started - CONSUMED_S, viewers.ended)
        }
        wrong: dict[str, object] = {}
        if not accepted <= counts.body["views"] <= accepted + plays[True]:
            wrong["plays"] = (counts.body["views"], accepted, plays[True])
        if not len(sure) <= counts.body["viewers"] <= len(may) or viewers.body["total"] != counts.body["viewers"]:
            wrong["viewers"] = (counts.body["viewers"], viewers.body["total"], sorted(sure), sorted(may))
        if not sure - apart <= listed <= may or len(listed) + viewers.body["hidden"] != viewers.body["total"]:
            wrong["listed"] = (sorted(listed), viewers.body["hidden"], sorted(sure), sorted(apart))
        wrong |= self._reactions(story, reactions.body, counts.body["reactions"])
        wrong |= await self._answers(story, endpoint)
        certain = sum(comment.id is not None for comment in story.comments.values())
        doubtful = sum(comment.id is None and not comment.refused for comment in story.comments.values())
        if not certain <= counts.body["comments"] <= certain + doubtful:
            wrong["comments"] = (counts.body["comments"], certain, doubtful)
        if wrong:
            self.ask.wrong("counts equal the operations", story=story.id, endpoint=endpoint, **wrong)

    def _reactions(self, story: Story, found: dict[str, object], total: int) -> dict[str, object]:
        values = [timeline.final for timeline in story.reactions.values()]
        if any(len(each) > 1 for each in values):
            return {}
        due = Counter(emoji for [emoji] in values if emoji)
        right = found["counts"] == dict(due) and found["total"] == total == sum(due.values())
        return {} if right else {"reactions": (found, total, dict(due))}

    async def _answers(self, story: Story, endpoint: str) -> dict[str, object]:
        values = {user: timeline.final for user, timeline in story.answers.items()}
        if story.poll is None or any(len(each) > 1 for each in values.values()):
            return {}
        found = await self.ask.known(
            story.author, f"/v1/stories/{story.id}/answers", endpoint, limit=100, layer_id=story.poll
        )
        if (story.expires_at or 0) - ABOUT_TO_END_S < found.ended:
            return {}
        due = {user: option for user, [option] in values.items() if option is not None}
        apart = {
            user
            for user in due
            if True in self.ask.model.apart(user, story.author, found.started - CONSUMED_S, found.ended)
        }
        listed = {item["user_id"]: item["option"] for item in found.body["items"]} if found.status == 200 else {}
        shown = {user: option for user, option in due.items() if user not in apart}
        tallies = [list(due.values()).count(option) for option in (0, 1)]
        right = found.status == 200 and found.body["tallies"] == tallies and shown.items() <= listed.items()
        return {} if right and listed.items() <= due.items() else {"answers": (found.body, due)}

    async def reports(self) -> None:
        """one report for each reporter after every retry, also of ended stories"""
        found = Counter(each["story_id"] for each in await self.ask.pages(ADMIN, "/v1/admin/reports"))
        for story in self.ask.model.stories:
            values = [each.final for each in story.reports.values()]
            sure, may = values.count({True}), sum(True in each for each in values)
            if story.id and not sure <= found[story.id] <= may:
                self.ask.wrong("one report for each reporter", story=story.id, found=found[story.id], due=(sure, may))

    @staticmethod
    def viewers(story: Story) -> tuple[set[str], set[str]]:
        """Users who certainly viewed, and users who may have."""
        sure = {
            user for user, plays in story.plays.items() if any(play.accepted is not None for play in plays.values())
        }
        may = {user for user, plays in story.plays.items() if any(play.maybe for play in plays.values())}
        return sure, sure | may

    async def ended(
        self, mongo_url: str, calm: Callable[[float, float], bool], told: Mapping[str, Counts] | None = None
    ) -> None:
        """Compare the counts that engagement keeps of ended stories: only late views may be missing.

        `told`: the events of sealed insights by story.
        """
        now = time.time()
        over = {
            story.id: story
            for story in self.ask.model.stories
            if story.id and story.state == "live" and story.lives(now - CONSUMED_S) is False
        }
        kept = await asyncio.to_thread(kept_counts, mongo_url, list(over))
        if not over:
            self.ask.wrong("counts of ended stories are compared", stories=0)
        for story_id, story in over.items():
            if wrong := wrong_counts(story, kept.get(story_id), calm):
                self.ask.wrong("of ended stories only late views are dropped", story=story_id, **wrong)
            elif wrong := wrong_seal(story, kept[story_id]):
                self.ask.wrong("sealed insights are what was counted before the end", story=story_id, **wrong)
            elif wrong := wrong_event((told or {}).get(story_id), kept[story_id].get("sealed")):
                self.ask.wrong("the event of sealed insights is what was sealed", story=story_id, **wrong)


def kept_counts(mongo_url: str, story_ids: Sequence[str]) -> dict[str, Counts]:
    """The counts of these stories in engagement's database, where it has recorded their end."""
    found: dict[str, dict[str, Any]] = {story_id: {} for story_id in story_ids}
    with MongoClient[Any](mongo_url, serverSelectionTimeoutMS=5000) as client:
        for document in client["stories_engagement"]["insights"].find({"_id": {"$in": list(story_ids)}}):
            found[document["_id"]]["sealed"] = document
        for collection in ("views", "engagements"):
            ended = {"_id": {"$in": list(story_ids)}, "ended": {"$ne": None}}
            for document in client["stories_engagement"][collection].find(ended):
                found[document["_id"]].update(document)
    return {story_id: counts for story_id, counts in found.items() if counts.keys() >= KEPT}


def wrong_counts(story: Story, kept: Counts | None, calm: Callable[[float, float], bool]) -> dict[str, object]:
    """The wrong counts that are kept of an ended story.

    Everything accepted without faults and in time before the end must be counted. A story that may have been deleted
    has only upper bounds, since the time at which its deletion took effect is unknown.
    """
    if kept is None:
        return {"kept": None}
    due_until = 0.0 if story.maybe_deleted else story.expires_at or 0.0
    plays = {
        viewer: [play for play in theirs.values() if play.accepted is not None or play.maybe]
        for viewer, theirs in story.plays.items()
    }
    due = {
        viewer: [
            play
            for play in possible
            if play.accepted is not None
            and play.accepted + CONSUMED_S < due_until
            and calm(play.accepted - CONSUMED_S, play.accepted + CONSUMED_S)
        ]
        for viewer, possible in plays.items()
    }
    certain = sum(comment.acked is not None and comment.acked < due_until for comment in story.comments.values())
    bounds = {
        "plays": (sum(map(len, due.values())), sum(map(len, plays.values()))),
        "viewers": (sum(map(bool, due.values())), sum(map(bool, plays.values()))),
        "comment": (certain, sum(not comment.refused for comment in story.comments.values())),
    }
    return {
        name: {"kept": kept[name], "at_least": least, "at_most": most}
        for name, (least, most) in bounds.items()
        if not least <= kept[name] <= most
    }


def wrong_seal(story: Story, kept: Counts) -> dict[str, object]:
    """What differs between the sealed insights of an expired story and its counts."""
    sealed = kept.get("sealed")
    if sealed is None:
        return {} if kept["how"] == "deleted" or kept["author_id"] is None or story.maybe_deleted else {"sealed": None}
    figures = {"viewers": "viewers", "plays": "plays", "comments": "comment", "answered": "answer"}
    figures |= {"reactions": "reaction", "shares": "share"}
    return {name: (sealed[name], kept[kind]) for name, kind in figures.items() if sealed[name] != kept[kind]}


def wrong_event(event: Counts | None, sealed: Counts | None) -> dict[str, object]:
    """What differs between the sealed insights of a story and their event."""
    if event is None or sealed is None:
        return {}
    told = {name: event[name] for name in ("plays", "comments", "shares")} | {"viewers": event["reach"]["total"]}
    return {name: (figure, sealed[name]) for name, figure in told.items() if figure != sealed[name]}

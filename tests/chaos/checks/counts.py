"""What is counted of a story is what people did, exactly."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from ..model import Story
from .stories import ABOUT_TO_END_S, StoryChecks

CONSUMED_S = 3.0
"""While no fault is injected a view is counted well within this."""


@dataclass
class CountChecks:
    """Asks the author, at the gateway and at every replica of engagement."""

    ask: StoryChecks

    async def live(self) -> None:
        """counts = distinct viewers in the list = plays, reactions and comments of the model, exactly"""
        doors = ["gateway", *(name for name in self.ask.doors if name.startswith("engagement"))]
        for story in self.ask.model.stories:
            for door in doors:
                await self._count(story, door)

    async def _count(self, story: Story, door: str) -> None:
        author, path = story.author, f"/v1/stories/{story.id}"
        if story.id is None or story.state != "live" or True in story.deleted.possible(0, float("inf")):
            return
        counts = await self.ask.known(author, f"{path}/counts", door)
        viewers = await self.ask.known(author, f"{path}/viewers", door, limit=100)
        reactions = await self.ask.known(author, f"{path}/reactions", door)
        if (story.expires_at or 0) - ABOUT_TO_END_S < reactions.ended:
            return
        if {counts.status, viewers.status, reactions.status} != {200}:
            statuses = (counts.status, viewers.status, reactions.status)
            self.ask.wrong("an author may count", story=story.id, door=door, statuses=statuses)
            return
        sure, may = self.viewers(story)
        plays = Counter(play.maybe and play.accepted is None for each in story.plays.values() for play in each.values())
        accepted = sum(play.accepted is not None for each in story.plays.values() for play in each.values())
        listed = {item["viewer_id"] for item in viewers.body["items"]}
        apart = {
            viewer
            for viewer in may
            if True in self.ask.model.apart(viewer, author, viewers.begun - CONSUMED_S, viewers.ended)
        }
        wrong: dict[str, object] = {}
        if not accepted <= counts.body["views"] <= accepted + plays[True]:
            wrong["plays"] = (counts.body["views"], accepted, plays[True])
        if not len(sure) <= counts.body["viewers"] <= len(may) or viewers.body["total"] != counts.body["viewers"]:
            wrong["viewers"] = (counts.body["viewers"], viewers.body["total"], sorted(sure), sorted(may))
        if not sure - apart <= listed <= may or len(listed) + viewers.body["hidden"] != viewers.body["total"]:
            wrong["listed"] = (sorted(listed), viewers.body["hidden"], sorted(sure), sorted(apart))
        wrong |= self._reactions(story, reactions.body, counts.body["reactions"])
        certain = sum(comment.id is not None for comment in story.comments.values())
        doubtful = sum(comment.id is None and not comment.refused for comment in story.comments.values())
        if not certain <= counts.body["comments"] <= certain + doubtful:
            wrong["comments"] = (counts.body["comments"], certain, doubtful)
        if wrong:
            self.ask.wrong("counts are what people did", story=story.id, door=door, **wrong)

    def _reactions(self, story: Story, found: dict[str, object], total: int) -> dict[str, object]:
        values = [timeline.possible(float("inf"), float("inf")) for timeline in story.reactions.values()]
        if any(len(each) > 1 for each in values):
            return {}
        due = Counter(emoji for [emoji] in values if emoji)
        right = found["counts"] == dict(due) and found["total"] == total == sum(due.values())
        return {} if right else {"reactions": (found, total, dict(due))}

    @staticmethod
    def viewers(story: Story) -> tuple[set[str], set[str]]:
        """Who viewed for certain, and who may have."""
        sure = {
            user for user, plays in story.plays.items() if any(play.accepted is not None for play in plays.values())
        }
        may = {user for user, plays in story.plays.items() if any(play.maybe for play in plays.values())}
        return sure, sure | may

    async def ended(self, calm: Callable[[float, float], bool]) -> None:
        """of ended ones nothing but late views was dropped: what was told in calm fault_timeline before the end is sealed"""
        for story in self.ask.model.stories:
            if story.id is None or story.expires_at is None or True in story.deleted.possible(0, float("inf")):
                continue
            found = await self.ask.known(story.author, f"/v1/stories/{story.id}/insights")
            if found.begun < story.expires_at or found.status != 200 or not found.body.get("sealed"):
                continue
            due = sum(
                play.accepted is not None and play.accepted + CONSUMED_S < story.expires_at
                and calm(play.accepted - CONSUMED_S, play.accepted + CONSUMED_S)
                for plays in story.plays.values() for play in plays.values()
            )  # fmt: skip
            most = sum(
                play.accepted is not None or play.maybe for plays in story.plays.values() for play in plays.values()
            )
            comments = [
                comment.acked is not None and comment.acked < story.expires_at for comment in story.comments.values()
            ]
            doubtful = sum(comment.id is None and not comment.refused for comment in story.comments.values())
            right = due <= found.body["plays"] <= most and (
                sum(comments) <= found.body["comments"] <= len([c for c in story.comments.values() if c.id]) + doubtful
            )
            if not right:
                self.ask.wrong(
                    "of ended stories only late views are dropped", story=story.id, sealed=found.body, plays_due=due,
                    plays_at_most=most, comments=sum(comments),
                )  # fmt: skip

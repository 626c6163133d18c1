"""Why a viewer sees a story or not: every rule with its outcome, from the code that decides for every read."""

import asyncio
from dataclasses import dataclass
from typing import Literal

from stories_feed.domain.live import LiveStory
from stories_feed.domain.ttl import has_time_left
from stories_feed.domain.visibility import ACCESS_RULES, NO_ACCESS, AccessRule, Relation
from stories_feed.usecases.contents import StoredStory
from stories_feed.usecases.ports import StoryRepository, ViewPolicy
from stories_feed.usecases.visible_stories import FRIENDSHIP, VisibleStories

Rule = Literal["state", AccessRule, "rollout", "freshness"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether a viewer passes a rule, and why."""

    rule: Rule
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The outcome of all rules; the story is visible if the viewer passes each."""

    author_id: str
    rules: tuple[Outcome, ...]

    @property
    def visible(self) -> bool:
        """Whether the viewer sees the story."""
        return all(outcome.passed for outcome in self.rules)


@dataclass(frozen=True, slots=True)
class ExplainStory:
    """The rules of one story for one viewer."""

    visible_stories: VisibleStories
    stories: StoryRepository
    may_view: ViewPolicy

    async def __call__(self, story_id: str, viewer_id: str, country: str | None = None) -> Explanation | None:
        """The explanation; None for a story that is not in the index.

        ``country`` is the viewer's, where it is known: it is in nobody's token but the viewer's own.
        """
        story = self.visible_stories.index.get(story_id, self.visible_stories.now())
        if story is None:
            return None
        relations, contents = await asyncio.gather(
            self.visible_stories.relations(viewer_id, [story.author_id], FRIENDSHIP),
            self.stories.recent_contents({story_id: story.revision}),
        )
        relation, stored = relations.get(story.author_id, NO_ACCESS), contents.get(story_id)
        return Explanation(
            story.author_id,
            (
                self._state(story, stored),
                *(access(rule, viewer_id, relation, story, stored) for rule in ACCESS_RULES),
                self._rollout(viewer_id, country),
                self._freshness(story_id),
            ),
        )

    def _state(self, story: LiveStory, stored: StoredStory | None) -> Outcome:
        if not has_time_left(story.expires_at, self.visible_stories.now()):
            return Outcome("state", passed=False, detail="the story ends within a second")
        if stored is None:
            return Outcome("state", passed=False, detail="the story's content is not stored here yet")
        return Outcome("state", passed=True, detail="the story is live")

    def _rollout(self, viewer_id: str, country: str | None) -> Outcome:
        reason = self.may_view(viewer_id, country)
        detail = f"not in the rollout: {reason}" if reason else "in the rollout"
        where = "" if country else "; the viewer's country is not known here"
        return Outcome("rollout", passed=reason is None, detail=f"{detail}{where}")

    def _freshness(self, story_id: str) -> Outcome:
        if self.visible_stories.log_status.stale(story_id):
            return Outcome("freshness", passed=False, detail="this replica has not read the story's partition in time")
        return Outcome("freshness", passed=True, detail="this replica has read the story's partition in time")


def access(
    rule: AccessRule, viewer_id: str, relation: Relation, story: LiveStory, stored: StoredStory | None
) -> Outcome:
    """The outcome of an access rule, by index and document alike: the document may be newer."""
    versions = (story, *((stored.content,) if stored is not None else ()))
    passed = relation.own or all(ACCESS_RULES[rule](viewer_id, relation, version) for version in versions)
    if relation.own:
        return Outcome(rule, passed, "the viewer is the author")
    return Outcome(rule, passed, DETAILS[rule][not passed].format(audience=versions[-1].audience))


DETAILS: dict[AccessRule, tuple[str, str]] = {
    "block": ("neither blocks the other", "one of them blocks the other"),
    "hide_from": (
        "the author does not hide the story from the viewer",
        "the author hides this story, or all stories, from the viewer",
    ),
    "audience": ("the story is for {audience}, and so for the viewer", "the story is for {audience} alone"),
}
"""The details of the access rules: passed, and failed."""

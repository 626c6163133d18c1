"""Exactly the invalid records are dead-lettered, and a reused idempotency key returns the same result."""

import time
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from ..http_client import Answer
from ..log_recorder import LogRecorder
from ..model import Comment, Story
from ..timing import came_true
from .stories import StoryChecks

DEAD_LETTERED_S = 20.0


@dataclass
class LeftoverChecks:
    """Checks of dead-letter topics, early endings and idempotency keys."""

    ask: StoryChecks
    recorder: LogRecorder

    async def dead_letter(self, invalid: Mapping[str, Set[bytes]]) -> None:
        """dead-letter topics contain exactly the invalid records"""

        def all_of_them() -> bool:
            return all(keys <= self.recorder.dead_letter.get(topic, {}).keys() for topic, keys in invalid.items())

        await came_true(all_of_them, DEAD_LETTERED_S)
        for topic in sorted({*invalid, *self.recorder.dead_letter}):
            found, due = self.recorder.dead_letter.get(topic, {}), invalid.get(topic, frozenset())
            if missing := due - found.keys():
                self.ask.wrong("invalid records are dead-lettered", topic=topic, missing=sorted(missing))
            if others := {key: why for key, why in found.items() if key not in due}:
                self.ask.wrong("only invalid records are dead-lettered", topic=topic, others=others)

    async def ends(self) -> None:
        """no ending is published before `expires_at`"""
        for each in self.recorder.early:
            self.ask.wrong("no story ends before its time", **each)

    async def keys(self) -> None:
        """a reused idempotency key returns the same id, or 404 once the resource has ended"""
        for story in self.ask.model.stories:
            if story.id is not None:
                if story.original is None:  # a repost needs a ticket, which has ended
                    await self._story(story)
                for key, comment in story.comments.items():
                    if comment.id is not None:
                        await self._comment(story, key, comment)

    async def _story(self, story: Story) -> None:
        answer = await self._repeated(story.author, "/v1/stories", story.key, json=story.request)
        same = answer.status == 201 and answer.body["id"] == story.id
        gone = answer.status == 404 and (story.state != "live" or story.lives(time.time()) is not True)
        if not (same or gone):
            self.ask.wrong(
                "a reused key returns the same result", story=story.id, status=answer.status, body=answer.body
            )

    async def _comment(self, story: Story, key: str, comment: Comment) -> None:
        path = f"/v1/stories/{story.id}"
        item = await self.ask.known(comment.viewer, path)
        if item.status != 200:
            return
        body = {"text": comment.text}
        ticket = item.body["ticket"]
        answer = await self._repeated(comment.viewer, f"{path}/comments", key, json=body, ticket=ticket)
        same = answer.status == 201 and answer.body["id"] == comment.id
        over = answer.status in {404, 403} and story.lives(time.time()) is not True
        if not (same or over):
            self.ask.wrong(
                "a reused key returns the same result", comment=comment.id, status=answer.status, body=answer.body
            )

    async def _repeated(self, user: str, path: str, key: str, **request: Any) -> Answer:
        return await self.ask.conclusive(lambda: self.ask.client.once(user, "POST", path, key=key, **request))

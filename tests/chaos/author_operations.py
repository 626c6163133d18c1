"""What authors do beside posting at once: schedule, repost, and keep stories in their archive."""

import asyncio
import random
import secrets
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .http_client import Answer
from .model import Story, Timeline
from .operations import LASTING_S, Operations

AHEAD_S = (6.0, 20.0)
"""How far ahead stories are scheduled: long enough to be edited or cancelled, and short enough for a run of minutes."""
LEFT_S = 2.0
"""Before its time a scheduled story is left alone."""
POLL_S = 0.5
SAME_TIME_S = 1.5
"""About as long as a repost takes."""


def moment(at: float) -> str:
    """A time as RFC 3339, in milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


@dataclass
class AuthorOperations(Operations):
    """Schedules, reposts and the archive."""

    async def schedule(self, user: str, rng: random.Random) -> None:
        """Schedule a new story. What becomes of it is observed in the background."""
        story = self._new_story(user, rng, rng.choice(self.pool))
        op = self.client.history.invoke("schedule", user=user, key=story.key)
        if not await self._draft(op, story):
            return
        at = round(time.time() + rng.uniform(*AHEAD_S), 3)
        story.publish_at, story.state = Timeline(at), "scheduled"
        path, body = f"/v1/stories/{story.id}/publish", {"at": moment(at)}
        answer = await self.client.until_known(op, lambda: self.client.once(user, "POST", path, json=body))
        story.publish_answered = answer.good
        self._observe(self.observe(story))

    async def reschedule(self, _user: str, rng: random.Random) -> None:
        """Move a scheduled story of anyone to another time."""
        if (story := self._scheduled(rng)) and story.publish_at:
            at = round(time.time() + rng.uniform(*AHEAD_S), 3)
            op = self.client.history.invoke("reschedule", story=story.id, at=moment(at))
            path, body = f"/v1/stories/{story.id}", {"publish_at": moment(at)}
            await self.set_value(op, story.publish_at, at, story.author, "PATCH", path, json=body)

    async def unschedule(self, _user: str, rng: random.Random) -> None:
        """Cancel or delete a scheduled story of anyone."""
        if story := self._scheduled(rng):
            if rng.random() < 0.5:
                await self.delete_story(story)
            else:
                await self.cancel(story)

    async def cancel(self, story: Story) -> None:
        """POST until it is cancelled, or live."""
        op = self.client.history.invoke("cancel", user=story.author, story=story.id)
        change = story.deleted.begin(True, time.time())
        path = f"/v1/stories/{story.id}/cancel"

        async def attempt() -> Answer:
            return await self.client.once(story.author, "POST", path)

        answer = await self.client.until_known(op, attempt, change)
        if answer.status == 404:  # a lost answer had cancelled it, or it has ended
            change.ack(answer.ended)
        elif answer.conclusive and not answer.good and change.over is None:
            story.deleted.refuse(change)

    async def observe(self, story: Story) -> None:
        """Wait until a scheduled story is live, cancelled or refused, and record that."""
        path = f"/v1/me/stories/{story.id}"
        while story.state == "scheduled":
            answer = await self.client.once(story.author, "GET", path)
            if answer.status == 404:
                await self._over_already(story)
            elif answer.status == 200 and answer.body["state"] == "live":
                self._went_live(story, answer)
            elif answer.status == 200 and answer.body["state"] == "refused":
                story.state = "refused"
            elif answer.status == 200 and answer.body["state"] == "draft":  # it was not scheduled, its time is over
                story.publish_at, story.state = None, "drafted"
                await self.bring_live(story)
            elif self.client.stopping.is_set():
                return
            await asyncio.sleep(POLL_S)

    async def repost(self, user: str, rng: random.Random) -> None:
        """Repost a visible story for everyone, and publish the copy."""
        found = [each for each in await self._look(user, rng) if each[1].author != user and each[1].original is None]
        if found:
            item, original = rng.choice(found)
            await self.repost_story(user, original, item["ticket"])

    async def repost_deleted(self, user: str, rng: random.Random) -> None:
        """Repost a story that its author deletes at about the same time."""
        now = time.time()
        found = [each for each in await self._look(user, rng) if each[1].author != user and each[1].original is None]
        lasting = [each for each in found if each[1].lives(now) and (each[1].expires_at or now) > now + LASTING_S]
        if lasting:
            item, original = rng.choice(lasting)

            async def delete() -> None:
                await asyncio.sleep(rng.uniform(0, SAME_TIME_S))
                await self.delete_story(original)

            await asyncio.gather(self.repost_story(user, original, item["ticket"]), delete())

    async def delete_original(self, _user: str, rng: random.Random) -> None:
        """Delete a story of anyone that was reposted."""
        now = time.time()
        reposted = [
            each.original for each in self.model.stories if each.id and each.original and each.original.lives(now)
        ]
        if reposted:
            await self.delete_story(rng.choice(reposted))

    async def repost_story(self, user: str, original: Story, ticket: str) -> Story:
        """A repost, as far as it could be brought live."""
        key, word = f"key-{secrets.token_hex(8)}", f"word{secrets.token_hex(8)}"
        story = Story(user, key, word, {}, original.sample, Timeline(("everyone", frozenset())))
        story.original, story.ticket = original, ticket
        if original.deleted.possible(0, time.time()) != {False}:
            story.deleted.begin(True, time.time())
        self.model.add(story)
        await self.bring_live(story)
        return story

    async def archive(self, user: str) -> None:
        """Keep expired stories of a user from now on."""
        op = self.client.history.invoke("archive", user=user)
        path, body = "/v1/me/archive-settings", {"enabled": True}
        answer = await self.client.until_known(op, lambda: self.client.once(user, "PUT", path, json=body))
        if answer.good:
            self.model.keepers.add(user)

    async def unarchive(self, _user: str, rng: random.Random) -> None:
        """Delete a story of anyone from the archive."""
        now = time.time()
        kept = [each for each in self.model.stories if each.id and True in self.model.archived(each, now)]
        kept = [each for each in kept if not each.unarchived.intended]
        if kept:
            story = rng.choice(kept)
            op = self.client.history.invoke("unarchive", user=story.author, story=story.id)
            path = f"/v1/me/archive/{story.id}"  # refused while it is not in the archive yet
            await self.set_value(op, story.unarchived, True, story.author, "DELETE", path)

    async def discard_unknown_drafts(self) -> None:
        """Cancel drafts whose creation was never answered."""
        for user in self.model.users:
            answer = await self.client.once(user, "GET", "/v1/me/stories", params={"state": "draft", "limit": 100})
            for each in answer.body["items"] if answer.status == 200 else ():
                if each["id"] not in self.model.by_id:
                    await self.client.once(user, "POST", f"/v1/stories/{each['id']}/cancel")

    def _scheduled(self, rng: random.Random) -> Story | None:
        now = time.time()
        waiting = [
            story
            for story in self.model.stories
            if story.state == "scheduled"
            and story.publish_at is not None
            and story.publish_at.intended > now + LEFT_S
            and not story.deleted.intended
        ]
        return rng.choice(waiting) if waiting else None

    def _observe(self, observing: Coroutine[Any, Any, None]) -> None:
        going = {task for task in self.background if not task.done()}
        self.background = going | {asyncio.create_task(observing)}

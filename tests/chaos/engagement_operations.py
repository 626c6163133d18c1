"""Operations of viewers: read, play, react, comment, answer, report."""

import random
import secrets
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .http_client import Answer, Client
from .invariant_monitor import InvariantMonitor
from .model import Comment, Model, Play, Story, Timeline

EMOJI = ("❤️", "🎉", "😂")
AT_ONCE = 3


@dataclass
class EngagementOperations:
    """Operations that need a ticket."""

    client: Client
    model: Model
    monitor: InvariantMonitor

    async def view(self, user: str, rng: random.Random) -> None:
        """Play up to three stories of a reel; sometimes send the same plays twice."""
        shown = await self._look(user, rng)
        chosen = rng.sample(shown, min(len(shown), rng.randint(1, AT_ONCE)))
        if not chosen:
            return
        views = [{"ticket": item["ticket"], "play_id": secrets.token_hex(8), "watched_ms": 500} for item, _ in chosen]
        await self._send_views(user, views, [story for _, story in chosen])
        if rng.random() < 0.2:
            again = [{**view, "watched_ms": 900, "completed": True} for view in views]
            await self._send_views(user, again, [story for _, story in chosen])

    async def _send_views(self, user: str, views: list[dict[str, Any]], stories: list[Story]) -> None:
        op = self.client.history.invoke("view", user=user, stories=[story.id for story in stories])
        plays = [
            story.plays.setdefault(user, {}).setdefault(view["play_id"], Play(time.time()))
            for story, view in zip(stories, views, strict=True)
        ]

        async def attempt() -> Answer:
            answer = await self.client.once(user, "POST", "/v1/views", json={"views": views})
            if not answer.conclusive:
                for play in plays:
                    play.maybe = True
            return answer

        answer = await self.client.until_known(op, attempt)
        if answer.status == 202:
            refused = {each["index"] for each in answer.body["rejected"]}
            for number, play in enumerate(plays):
                if number not in refused:
                    play.accepted = play.accepted or answer.ended

    async def react(self, user: str, rng: random.Random) -> None:
        """React to a visible story."""
        if found := await self._one(user, rng):
            item, story = found
            emoji = rng.choice(EMOJI)
            op = self.client.history.invoke("react", user=user, story=story.id, emoji=emoji)
            await self.set_reaction(op, user, story, emoji, item["ticket"])

    async def unreact(self, user: str, rng: random.Random) -> None:
        """Withdraw a reaction."""
        now = time.time()
        mine = [
            story
            for story in self.model.stories
            if story.lives(now) and user in story.reactions and story.reactions[user].intended
        ]
        if mine:
            story = rng.choice(mine)
            op = self.client.history.invoke("unreact", user=user, story=story.id)
            await self.set_reaction(op, user, story, None, None)

    async def set_reaction(self, op: int, user: str, story: Story, emoji: str | None, ticket: str | None) -> Answer:
        """PUT or DELETE until the result is known."""
        request: dict[str, Any] = {"ticket": ticket, "json": {"emoji": emoji}} if emoji else {}
        reaction, path = story.reactions.setdefault(user, Timeline(None)), f"/v1/stories/{story.id}/reaction"
        return await self.set_value(op, reaction, emoji, user, "PUT" if emoji else "DELETE", path, **request)

    async def comment(self, user: str, rng: random.Random) -> None:
        """Comment on a visible story."""
        if found := await self._one(user, rng):
            item, story = found
            key = f"key-{secrets.token_hex(8)}"
            story.comments[key] = Comment(user, f"comment {story.word}", time.time())
            await self.send_comment(story, key, item["ticket"])

    async def send_comment(self, story: Story, key: str, ticket: str) -> Answer:
        """POST with its idempotency key until the result is known."""
        comment = story.comments[key]
        op = self.client.history.invoke("comment", user=comment.viewer, story=story.id, key=key)
        doubted = False
        path = f"/v1/stories/{story.id}/comments"

        async def attempt() -> Answer:
            nonlocal doubted
            body = {"text": comment.text}
            answer = await self.client.once(comment.viewer, "POST", path, ticket=ticket, key=key, json=body)
            doubted = doubted or not answer.conclusive
            return answer

        answer = await self.client.until_known(op, attempt)
        if answer.status == 201:
            comment.id, comment.acked = answer.body["id"], answer.ended
        elif answer.conclusive and not doubted:
            comment.refused = True
        return answer

    async def answer(self, user: str, rng: random.Random) -> None:
        """Answer the poll of a visible story, or change the answer."""
        if found := await self._one(user, rng):
            item, story = found
            story.poll = next((layer["id"] for layer in item["layers"] if layer["kind"] == "poll"), None)
            if story.poll is not None:
                await self.set_answer(user, story, rng.randrange(2), item["ticket"])

    async def set_answer(self, user: str, story: Story, option: int, ticket: str) -> None:
        """PUT until the result is known."""
        op = self.client.history.invoke("answer", user=user, story=story.id, option=option)
        answer, path = story.answers.setdefault(user, Timeline(None)), f"/v1/stories/{story.id}/answers/{story.poll}"
        await self.set_value(op, answer, option, user, "PUT", path, ticket=ticket, json={"option": option})

    async def report(self, user: str, rng: random.Random) -> None:
        """Report a visible story, sometimes once more."""
        if found := await self._one(user, rng):
            item, story = found
            op = self.client.history.invoke("report", user=user, story=story.id)
            reported, path = story.reports.setdefault(user, Timeline(False)), f"/v1/stories/{story.id}/reports"
            body = {"reason": "spam", "text": None}
            await self.set_value(op, reported, True, user, "POST", path, ticket=item["ticket"], json=body)

    async def set_value(
        self, op: int, value: Timeline[Any], new: Any, user: str, method: str, path: str, **request: Any
    ) -> Answer:
        """Send a request that sets a value until the result is known. One that is refused has not set it."""
        change = value.begin(new, time.time())
        answer = await self.client.until_known(op, lambda: self.client.once(user, method, path, **request), change)
        if answer.conclusive and not answer.good and change.over is None:
            value.refuse(change)
        return answer

    async def _one(self, user: str, rng: random.Random) -> tuple[Any, Story] | None:
        shown = [each for each in await self._look(user, rng) if each[1].author != user]
        return rng.choice(shown) if shown else None

    async def _look(self, user: str, rng: random.Random) -> list[tuple[Any, Story]]:
        """A reel as the gateway returns it, with the known story of each item."""
        author = rng.choice([other for other in self.model.users if other != user])
        answer = await self.client.once(user, "GET", f"/v1/users/{quote(author)}/stories", params={"limit": 100})
        if answer.status != 200:
            return []
        self.monitor.reel(user, answer.body["items"], answer, "gateway")
        known = [(item, self.model.by_id.get(item["id"])) for item in answer.body["items"]]
        return [(item, story) for item, story in known if story is not None]

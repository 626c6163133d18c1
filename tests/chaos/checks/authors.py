"""Scheduled stories go live at their time, reposts end with their original, and archives hold what expired."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..model import Model, Story
from .stories import StoryChecks

LATE_S = 2.0
"""The contract's bound is a second; the machine does much else."""
CALM_S = 15.0
"""A scheduled story is worked on from its creation on; without faults for so long it is ready."""
FOLLOWED_S = 30.0
ARCHIVED_S = 30.0
POLL_S = 0.5
MEDIA_READ = 3
"""Of an archive, so many objects are read."""
Problem = tuple[str, dict[str, Any]]


@dataclass
class AuthorChecks:
    """Reads as authors at the gateway."""

    ask: StoryChecks
    calm: Callable[[float, float], bool]

    async def schedules(self) -> None:
        """scheduled stories were posted at their time, or discarded"""
        for promise, about in wrong_schedules(self.ask.model, self.calm):
            self.ask.wrong(promise, **about)

    async def reposts(self) -> None:
        """no repost outlives the deletion of its original; from here on the model knows that it is deleted"""
        originals = [each for each in self.ask.model.stories if each.deleted.final == {True}]
        for original in originals:
            reposts = [each for each in self.ask.model.reposts(original) if each.id]
            if reposts and await self._was_deleted(original):
                await asyncio.gather(*(self._ends(repost, original) for repost in reposts))

    async def _was_deleted(self, original: Story) -> bool:
        """Whether it was deleted while it lived: the deletion of an expired story takes only what is archived."""
        receipt = await self.ask.known(original.author, f"/v1/stories/{original.id}/receipt")
        return receipt.status == 200 and receipt.body["ended"] == "deleted"

    async def _ends(self, repost: Story, original: Story) -> None:
        deadline = time.time() + FOLLOWED_S
        path = f"/v1/me/stories/{repost.id}"
        while (found := await self.ask.known(repost.author, path)).status != 404:
            if time.time() > deadline:
                state = found.body.get("state") if found.status == 200 else found.status
                self.ask.wrong("no repost outlives its original", repost=repost.id, original=original.id, state=state)
                return
            await asyncio.sleep(POLL_S)
        for change in repost.deleted.changes:
            if change.value:
                change.ack(time.time())

    async def archives(self) -> None:
        """archives hold exactly what expired, with its media, for its author"""
        await asyncio.gather(*(self._archive(user) for user in self.ask.model.users))

    async def _archive(self, user: str) -> None:
        deadline = time.time() + ARCHIVED_S
        while True:
            now, items = time.time(), await self.ask.pages(user, "/v1/me/archive")
            missing, forbidden = wrong_archive(self.ask.model, user, {each["id"] for each in items}, now)
            if not missing and not forbidden:
                break
            if time.time() > deadline:
                self.ask.wrong("archives hold what expired", user=user, missing=missing, forbidden=forbidden)
                return
            await asyncio.sleep(POLL_S)
        for each in items[:MEDIA_READ]:
            story = self.ask.model.by_id[each["id"]]
            media = await self.ask.client.timed(self.ask.client.person(user).media(each["media_url"]), "")
            if media.status != 200 and True in self.ask.model.archived(story, time.time()):
                self.ask.wrong("archived media can be read", story=story.id, status=media.status)


def wrong_schedules(model: Model, calm: Callable[[float, float], bool]) -> Iterator[Problem]:
    """Scheduled stories that were posted early, late although there was no fault, or not at all."""
    for story in model.stories:
        if story.publish_at is None:
            continue
        about = {"story": story.id, "due": [each.value for each in story.publish_at.changes], "at": story.posted_at}
        if story.state == "scheduled":
            yield "every scheduled story goes live", about
        if story.posted_at is None:
            continue
        times = story.publish_at.possible(story.posted_at, story.posted_at)
        if story.posted_at < min(times):
            yield "no scheduled story goes live early", about
        if story.posted_at > max(times) + LATE_S and calm(max(times) - CALM_S, story.posted_at):
            yield "scheduled stories go live on time", about


def wrong_archive(model: Model, user: str, found: set[str], now: float) -> tuple[set[str], set[str]]:
    """The ids that an author's archive lacks, and those that must not be in it."""
    must, may = set(), set()
    for story in model.of(user):
        possible = model.archived(story, now)
        if story.id and True in possible:
            may.add(story.id)
            if False not in possible:
                must.add(story.id)
    return must - found, found - may

"""The monitor: reads what people could read, at every door and all the time, and says what must not have been shown."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx

from .fault_timeline import FaultTimeline
from .http_client import Answer, Client
from .model import Model, Story

READERS, PAUSE_S = 3, 0.3
RECENT_S = 40.0
"""What was refused so long ago is looked for most."""
HELD_S = 300.0
STARE_S, STARE_PAUSE_S, STARES = 2.5, 0.05, 8
Wrong = Callable[..., None]


@dataclass
class Held:
    """What somebody was given with a story: a ticket and URLs, read between two moments."""

    ticket: str
    urls: Sequence[str]
    read_at: float


@dataclass
class InvariantMonitor:
    """Judges answers. `doors`: replicas by name (`feed-2`), beside the gateway."""

    client: Client
    model: Model
    fault_timeline: FaultTimeline
    wrong: Wrong
    doors: dict[str, httpx.AsyncClient] = field(default_factory=dict)
    held: dict[tuple[str, str], Held] = field(default_factory=dict)
    looks: dict[str, int] = field(default_factory=dict)

    # What must not have been shown

    def refusal(self, viewer: str, story: Story, answer: Answer) -> str | None:
        """Why a viewer must not have been shown a story by an answer; None where they may have been."""
        begun, ended = answer.begun, answer.ended
        since = begun - self.fault_timeline.limit(begun, ended)
        if story.expires_at is not None and begun >= story.expires_at:
            return "expired"
        if story.deleted.possible(since, ended) == {True}:
            return "deleted"
        if self.model.may_see(viewer, story, since, ended) == {False}:
            return "not allowed"
        return None

    def reel(self, viewer: str, items: Sequence[Any], answer: Answer, door: str) -> None:
        """Items shown to a viewer, each once; what comes with them is kept for later."""
        self._count("items")
        ids = [item["id"] for item in items]
        if len(set(ids)) != len(ids):
            self.wrong("a reel shows a story once", viewer=viewer, door=door, ids=ids)
        for item in items:
            story = self.model.by_id.get(item["id"])
            if story is None:
                self.wrong("what is shown was posted", viewer=viewer, door=door, story=item["id"])
                continue
            reason = self.refusal(viewer, story, answer)
            if reason is None and answer.begun >= seconds(item["expires_at"]):
                reason = "expired"
            if reason:
                self._shown(reason, viewer, story, answer, door, "items")
            elif viewer != story.author:
                urls = [url for url in (item["media_url"], item["poster_url"]) if url]
                self.held.pop((viewer, item["id"]), None)
                self.held[viewer, item["id"]] = Held(item["ticket"], urls, answer.ended)

    def tray(self, viewer: str, rings: Sequence[Any], answer: Answer, door: str) -> None:
        """Rings shown to a viewer. One without a poster is that of a stale replica, bound by time alone."""
        self._count("trays")
        authors = [ring["author_id"] for ring in rings]
        if len(set(authors)) != len(authors):
            self.wrong("a tray shows an author once", viewer=viewer, door=door, authors=authors)
        for ring in rings:
            reasons = {story.id: self.refusal(viewer, story, answer) for story in self.model.of(ring["author_id"])}
            over = all(reason == "expired" for reason in reasons.values())
            if over or (ring["poster_url"] and all(reasons.values())):
                self.wrong(
                    "no ring without a story", viewer=viewer, author=ring["author_id"], door=door, stories=reasons,
                    begun=answer.begun, ended=answer.ended,
                )  # fmt: skip

    def _shown(self, reason: str, viewer: str, story: Story, answer: Answer, door: str, how: str) -> None:
        about: dict[str, Any] = {"viewer": viewer, "author": story.author, "story": story.id, "door": door, "how": how}
        about |= {
            "begun": answer.begun,
            "ended": answer.ended,
            "limit": self.fault_timeline.limit(answer.begun, answer.ended),
        }
        broken = [interval.kind for interval in self.fault_timeline.intervals if interval.ended is None]
        self.wrong(f"nothing is shown that is {reason}", broken=broken, **about)

    # Looking, all the time

    async def run(self, seed: int, stopping: asyncio.Event) -> None:
        """Look at random things at random doors until told to stop."""
        async with asyncio.TaskGroup() as group:
            for number in range(READERS):
                group.create_task(self._watch(random.Random(f"{seed}/monitor/{number}"), stopping))

    async def _watch(self, rng: random.Random, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            await self.look(rng, rng.choice(["gateway", *self.doors]))
            await asyncio.sleep(PAUSE_S * rng.uniform(0.5, 1.5))

    async def collect(self) -> None:
        """Have everybody hold tickets and URLs of all they may see; those of long ago are dropped."""
        long_ago = time.time() - HELD_S
        self.held = {key: held for key, held in self.held.items() if held.read_at > long_ago}
        await asyncio.gather(*(self._reels(viewer, None, "gateway") for viewer in self.model.users))

    async def stare(self, door: str) -> None:
        """Look at one door, closely, for what was taken from people of late: it is just being thawed."""
        looks = [self._ticket] if door.startswith("engagement") else [self._item, self._reel]
        until = time.time() + STARE_S
        while door in self.doors and time.time() < until:
            taken = list(self._taken())[:STARES]
            await asyncio.gather(*(look(*each, door) for each in taken for look in looks))
            await asyncio.sleep(STARE_PAUSE_S)

    def _taken(self) -> Iterator[tuple[str, Story]]:
        """Who must not see any more, by now, what they could see half a minute ago."""
        now = time.time()
        for (viewer, story_id), held in reversed(self.held.items()):
            story = self.model.by_id[story_id]
            fresh = now - held.read_at < RECENT_S and now < (story.expires_at or 0.0)
            if fresh and self.refusal(viewer, story, Answer(200, now, now)):
                yield viewer, story

    async def look(self, rng: random.Random, door: str) -> None:
        """One read of something that may be over by now, at this door."""
        if not self.model.by_id:
            return
        story, viewer = self._subject(rng), rng.choice(self.model.users)
        at_feed = door == "gateway" or door.startswith("feed")
        at_engagement = door == "gateway" or door.startswith("engagement")
        looks = [self._reel, self._reels, self._item, self._item, self._tray, self._for_you] if at_feed else []
        looks += [self._ticket] * 3 if at_engagement else []
        looks += [self._url] if door == "gateway" else []
        if looks:
            look: Callable[[str, Story, str], Awaitable[None]] = rng.choice(looks)
            await look(viewer, story, door)

    def _subject(self, rng: random.Random) -> Story:
        """A story, most often one that has been taken from somebody of late."""
        now = time.time()
        known = list(self.model.by_id.values())

        def taken_of_late(story: Story) -> bool:
            moments = [each.begun for each in story.deleted.changes] + [each.begun for each in story.rule.changes]
            return any(0 <= now - moment < RECENT_S for moment in (*moments, story.expires_at or 0.0))

        of_late = [story for story in known if taken_of_late(story)]
        return rng.choice(of_late if of_late and rng.random() < 0.7 else known)

    async def _reel(self, viewer: str, story: Story, door: str) -> None:
        answer = await self._ask(viewer, door, f"/v1/users/{quote(story.author)}/stories", limit=100)
        if answer.status == 200:
            self.reel(viewer, answer.body["items"], answer, door)

    async def _reels(self, viewer: str, _: Story | None, door: str) -> None:
        answer = await self._ask(viewer, door, "/v1/reels", user_ids=",".join(self.model.users[:20]))
        if answer.status == 200:
            self.reel(viewer, [item for items in answer.body["reels"].values() for item in items], answer, door)

    async def _item(self, viewer: str, story: Story, door: str) -> None:
        answer = await self._ask(viewer, door, f"/v1/stories/{story.id}")
        if answer.status == 200:
            self.reel(viewer, [answer.body], answer, door)

    async def _for_you(self, viewer: str, _: Story, door: str) -> None:
        answer = await self._ask(viewer, door, "/v1/for-you", limit=100)
        if answer.status == 200:
            self.reel(viewer, answer.body["items"], answer, door)

    async def _tray(self, viewer: str, _: Story, door: str) -> None:
        answer = await self._ask(viewer, door, "/v1/tray", limit=100)
        if answer.status == 200:
            self.tray(viewer, answer.body["items"], answer, door)

    async def _ticket(self, viewer: str, story: Story, door: str) -> None:
        """A ticket of before does not work once the story is over, the two are apart, or access was changed."""
        held = self.held.get((viewer, story.id or ""))
        if held is None:
            return
        answer = await self._ask(viewer, door, f"/v1/stories/{story.id}/counts", ticket=held.ticket)
        if answer.status != 200:
            return
        self._count("tickets")
        since = answer.begun - self.fault_timeline.limit(answer.begun, answer.ended)
        reason = None
        if story.expires_at is not None and answer.begun >= story.expires_at:
            reason = "expired"
        elif story.deleted.possible(since, answer.ended) == {True}:
            reason = "deleted"
        elif self.model.apart(viewer, story.author, since, answer.ended) == {True}:
            reason = "blocked"
        elif any(
            change.begun > held.read_at
            and change.acked is not None
            and change.acked <= since
            and story.rule.altered(change, held.read_at)
            for change in story.rule.changes
        ):
            reason = "changed"
        if reason:
            self._shown(reason, viewer, story, answer, door, "ticket")

    async def _url(self, viewer: str, story: Story, door: str) -> None:
        """A media URL is dead after the end, and from the answer to a deletion on."""
        held = self.held.get((viewer, story.id or ""))
        if held is None or not held.urls:
            return
        answer = await self.client.timed(self.client.person(viewer).media(held.urls[0]), "")
        if not answer.good:
            return
        self._count("urls")
        if story.expires_at is not None and answer.begun >= story.expires_at:
            self._shown("expired", viewer, story, answer, "object store", "url")
        elif story.deleted.possible(answer.begun, answer.begun) == {True}:
            self._shown("deleted", viewer, story, answer, "object store", "url")

    async def _ask(self, viewer: str, door: str, path: str, ticket: str | None = None, **params: Any) -> Answer:
        self._count("looks")
        return await self.client.once(viewer, "GET", path, self.doors.get(door), ticket=ticket, params=params)

    def _count(self, what: str) -> None:
        self.looks[what] = self.looks.get(what, 0) + 1


def seconds(text: str) -> float:
    """An RFC 3339 time in seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()

"""The monitor: reads as users at every endpoint, all the time, and reports what must not be visible."""

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
"""Revocations of this age are probed most."""
KEEP_S = 300.0
PROBE_S, PROBE_PAUSE_S, MAX_PROBES = 2.5, 0.05, 8
Wrong = Callable[..., None]


@dataclass
class SeenItem:
    """The ticket and URLs that a viewer received with a story, and when."""

    ticket: str
    urls: Sequence[str]
    read_at: float


@dataclass
class InvariantMonitor:
    """Judges responses. `endpoints`: replicas by name (`feed-2`), beside the gateway."""

    client: Client
    model: Model
    fault_timeline: FaultTimeline
    wrong: Wrong
    endpoints: dict[str, httpx.AsyncClient] = field(default_factory=dict)
    seen: dict[tuple[str, str], SeenItem] = field(default_factory=dict)
    reads: dict[str, int] = field(default_factory=dict)

    # Checks of responses

    def refusal(self, viewer: str, story: Story, answer: Answer) -> str | None:
        """Why a story must not be in a response to a viewer; None if it may be."""
        started, ended = answer.started, answer.ended
        since = started - self.fault_timeline.limit(started, ended)
        if story.expires_at is not None and started >= story.expires_at:
            return "expired"
        if story.publish_at is not None and min(story.publish_at.possible(started, ended)) > ended:
            return "not due yet"
        if story.deleted.possible(since, ended) == {True}:
            return "deleted"
        if self.model.may_see(viewer, story, since, ended) == {False}:
            return "not allowed"
        return None

    def reel(self, viewer: str, items: Sequence[Any], answer: Answer, endpoint: str) -> None:
        """Check the items in a response; their tickets and URLs are kept for later."""
        self._count("items")
        ids = [item["id"] for item in items]
        if len(set(ids)) != len(ids):
            self.wrong("a reel shows a story once", viewer=viewer, endpoint=endpoint, ids=ids)
        for item in items:
            story = self.model.by_id.get(item["id"])
            if story is None:
                self.wrong("what is shown was posted", viewer=viewer, endpoint=endpoint, story=item["id"])
                continue
            reason = self.refusal(viewer, story, answer)
            if reason is None and answer.started >= seconds(item["expires_at"]):
                reason = "expired"
            if reason:
                self._shown(reason, viewer, story, answer, endpoint, "items")
            elif viewer != story.author:
                urls = [url for url in (item["media_url"], item["poster_url"]) if url]
                self.seen.pop((viewer, item["id"]), None)
                self.seen[viewer, item["id"]] = SeenItem(item["ticket"], urls, answer.ended)

    def tray(self, viewer: str, rings: Sequence[Any], answer: Answer, endpoint: str) -> None:
        """Check the rings in a response. A ring without a poster is of a stale replica, bound by time alone."""
        self._count("trays")
        authors = [ring["author_id"] for ring in rings]
        if len(set(authors)) != len(authors):
            self.wrong("a tray shows an author once", viewer=viewer, endpoint=endpoint, authors=authors)
        for ring in rings:
            reasons = {story.id: self.refusal(viewer, story, answer) for story in self.model.of(ring["author_id"])}
            over = all(reason == "expired" for reason in reasons.values())
            if over or (ring["poster_url"] and all(reasons.values())):
                self.wrong(
                    "no ring without a story", viewer=viewer, author=ring["author_id"], endpoint=endpoint,
                    stories=reasons, started=answer.started, ended=answer.ended,
                )  # fmt: skip

    def _shown(self, reason: str, viewer: str, story: Story, answer: Answer, endpoint: str, how: str) -> None:
        about: dict[str, Any] = {
            "viewer": viewer,
            "author": story.author,
            "story": story.id,
            "endpoint": endpoint,
            "how": how,
        }
        about |= {
            "started": answer.started,
            "ended": answer.ended,
            "limit": self.fault_timeline.limit(answer.started, answer.ended),
        }
        broken = [interval.kind for interval in self.fault_timeline.intervals if interval.ended is None]
        self.wrong(f"nothing is shown that is {reason}", broken=broken, **about)

    # Continuous reads

    async def run(self, seed: int, stopping: asyncio.Event) -> None:
        """Read random things at random endpoints until stopped."""
        async with asyncio.TaskGroup() as group:
            for number in range(READERS):
                group.create_task(self._watch(random.Random(f"{seed}/monitor/{number}"), stopping))

    async def _watch(self, rng: random.Random, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            await self.look(rng, rng.choice(["gateway", *self.endpoints]))
            await asyncio.sleep(PAUSE_S * rng.uniform(0.5, 1.5))

    async def collect(self) -> None:
        """Collect tickets and URLs of everything that each user may see; old ones are dropped."""
        long_ago = time.time() - KEEP_S
        self.seen = {key: seen for key, seen in self.seen.items() if seen.read_at > long_ago}
        await asyncio.gather(*(self._reels(viewer, None, "gateway") for viewer in self.model.users))

    async def probe_revoked(self, endpoint: str) -> None:
        """Probe an endpoint that is being resumed, at a high rate, for what was revoked recently."""
        probes = [self._ticket] if endpoint.startswith("engagement") else [self._item, self._reel]
        until = time.time() + PROBE_S
        while endpoint in self.endpoints and time.time() < until:
            taken = list(self._taken())[:MAX_PROBES]
            await asyncio.gather(*(probe(*each, endpoint) for each in taken for probe in probes))
            await asyncio.sleep(PROBE_PAUSE_S)

    def _taken(self) -> Iterator[tuple[str, Story]]:
        """Viewers and stories that they could see recently and must not see any more."""
        now = time.time()
        for (viewer, story_id), seen in reversed(self.seen.items()):
            story = self.model.by_id[story_id]
            fresh = now - seen.read_at < RECENT_S and now < (story.expires_at or 0.0)
            if fresh and self.refusal(viewer, story, Answer(200, now, now)):
                yield viewer, story

    async def look(self, rng: random.Random, endpoint: str) -> None:
        """Read one story, reel, tray or ticket that may have been revoked, at this endpoint."""
        if not self.model.by_id:
            return
        story, viewer = self._subject(rng), rng.choice(self.model.users)
        at_feed = endpoint == "gateway" or endpoint.startswith("feed")
        at_engagement = endpoint == "gateway" or endpoint.startswith("engagement")
        probes = [self._reel, self._reels, self._item, self._item, self._tray, self._for_you] if at_feed else []
        probes += [self._ticket] * 3 if at_engagement else []
        probes += [self._url] if endpoint == "gateway" else []
        if probes:
            probe: Callable[[str, Story, str], Awaitable[None]] = rng.choice(probes)
            await probe(viewer, story, endpoint)

    def _subject(self, rng: random.Random) -> Story:
        """A random story, most often one that was revoked recently."""
        now = time.time()
        known = list(self.model.by_id.values())

        def taken_of_late(story: Story) -> bool:
            moments = [each.started for each in story.deleted.changes] + [each.started for each in story.rule.changes]
            return any(0 <= now - moment < RECENT_S for moment in (*moments, story.expires_at or 0.0))

        recent = [story for story in known if taken_of_late(story)]
        return rng.choice(recent if recent and rng.random() < 0.7 else known)

    async def _reel(self, viewer: str, story: Story, endpoint: str) -> None:
        answer = await self._ask(viewer, endpoint, f"/v1/users/{quote(story.author)}/stories", limit=100)
        if answer.status == 200:
            self.reel(viewer, answer.body["items"], answer, endpoint)

    async def _reels(self, viewer: str, _: Story | None, endpoint: str) -> None:
        answer = await self._ask(viewer, endpoint, "/v1/reels", user_ids=",".join(self.model.users[:20]))
        if answer.status == 200:
            self.reel(viewer, [item for items in answer.body["reels"].values() for item in items], answer, endpoint)

    async def _item(self, viewer: str, story: Story, endpoint: str) -> None:
        answer = await self._ask(viewer, endpoint, f"/v1/stories/{story.id}")
        if answer.status == 200:
            self.reel(viewer, [answer.body], answer, endpoint)

    async def _for_you(self, viewer: str, _: Story, endpoint: str) -> None:
        answer = await self._ask(viewer, endpoint, "/v1/for-you", limit=100)
        if answer.status == 200:
            self.reel(viewer, answer.body["items"], answer, endpoint)

    async def _tray(self, viewer: str, _: Story, endpoint: str) -> None:
        answer = await self._ask(viewer, endpoint, "/v1/tray", limit=100)
        if answer.status == 200:
            self.tray(viewer, answer.body["items"], answer, endpoint)

    async def _ticket(self, viewer: str, story: Story, endpoint: str) -> None:
        """An old ticket is rejected once the story has ended, a block exists, or access was changed."""
        seen = self.seen.get((viewer, story.id or ""))
        if seen is None:
            return
        answer = await self._ask(viewer, endpoint, f"/v1/stories/{story.id}/counts", ticket=seen.ticket)
        if answer.status != 200:
            return
        self._count("tickets")
        since = answer.started - self.fault_timeline.limit(answer.started, answer.ended)
        reason = None
        if story.expires_at is not None and answer.started >= story.expires_at:
            reason = "expired"
        elif story.deleted.possible(since, answer.ended) == {True}:
            reason = "deleted"
        elif self.model.apart(viewer, story.author, since, answer.ended) == {True}:
            reason = "blocked"
        elif any(
            change.started > seen.read_at
            and change.acked is not None
            and change.acked <= since
            and story.rule.altered(change, seen.read_at)
            for change in story.rule.changes
        ):
            reason = "changed"
        if reason:
            self._shown(reason, viewer, story, answer, endpoint, "ticket")

    async def _url(self, viewer: str, story: Story, endpoint: str) -> None:
        """A media URL stops working at the end of the story, and at the response to its deletion."""
        seen = self.seen.get((viewer, story.id or ""))
        if seen is None or not seen.urls:
            return
        answer = await self.client.timed(self.client.person(viewer).media(seen.urls[0]), "")
        if not answer.good:
            return
        self._count("urls")
        if story.expires_at is not None and answer.started >= story.expires_at:
            self._shown("expired", viewer, story, answer, "object store", "url")
        elif story.deleted.possible(answer.started, answer.started) == {True}:
            self._shown("deleted", viewer, story, answer, "object store", "url")

    async def _ask(self, viewer: str, endpoint: str, path: str, ticket: str | None = None, **params: Any) -> Answer:
        self._count("looks")
        return await self.client.once(viewer, "GET", path, self.endpoints.get(endpoint), ticket=ticket, params=params)

    def _count(self, what: str) -> None:
        self.reads[what] = self.reads.get(what, 0) + 1


def seconds(text: str) -> float:
    """An RFC 3339 time in seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()

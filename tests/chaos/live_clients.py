"""Clients of live updates: each keeps a tray from the events of `GET /v1/live` alone, through connections that break.

A client loads the tray once, and again only on `reset`; everything else it must learn from events and from resuming
with `Last-Event-ID`. What it is told is judged as it arrives.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from tests.journeys.live_stream import Event, messages

from .fault_timeline import FaultTimeline
from .http_client import Client
from .invariant_monitor import Wrong
from .model import Model, Story
from .proxy import Mode, Proxy

CLIENTS, FOLLOWED = 5, 5
SILENT_S = 15.0
"""Without a byte for so long a client reconnects: heartbeats come every ten seconds."""
RETRY_S = 2.0
LOAD_AGAIN_S = 0.5
INTACT_S, BROKEN_S = (6.0, 12.0), (0.2, 5.0)


@dataclass
class LiveClient:
    """One client. `rings`: by author, without `none`; `own`: the ids of its live stories."""

    viewer: str
    client: Client
    http: httpx.AsyncClient
    model: Model
    fault_timeline: FaultTimeline
    wrong: Wrong
    rings: dict[str, str] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)
    last_id: str | None = None
    count: Counter[str] = field(default_factory=Counter)
    arrivals: list[tuple[float, Event]] = field(default_factory=list)
    _waiting: list[Event] = field(default_factory=list)
    """Events that arrived since the load began."""
    _load: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Stay connected, for ever."""
        while True:
            with contextlib.suppress(httpx.HTTPError):
                await self._stream()
            await asyncio.sleep(RETRY_S)

    async def _stream(self) -> None:
        """One connection to its end."""
        headers = {"Authorization": f"Bearer {self.client.person(self.viewer).token}"}
        headers |= {"Last-Event-ID": self.last_id} if self.last_id else {}
        timeout = httpx.Timeout(RETRY_S * 2, read=SILENT_S)
        async with self.http.stream("GET", "/v1/live", headers=headers, timeout=timeout) as answer:
            if answer.status_code != 200:
                self.count[f"status {answer.status_code}"] += 1
                if answer.status_code not in {429, 503}:
                    self.wrong("live updates are answered", viewer=self.viewer, status=answer.status_code)
                return
            self.count["connected"] += 1
            if self.last_id is None:
                self.load()
            async for last_id, event in messages(answer.aiter_lines()):
                self.last_id = last_id or self.last_id
                if event is not None:
                    self.take(event, time.time())

    def take(self, event: Event, at: float) -> None:
        """Judge and apply one event."""
        kind, data = event
        self.count[kind] += 1
        self.arrivals.append((at, event))
        limit = self.fault_timeline.limit(at, at)
        if reason := refusal(self.model, self.viewer, event, at - limit, at):
            self.wrong(f"nothing is announced that is {reason}", viewer=self.viewer, **data, at=at, limit=limit)
        if kind == "reset":
            self.load()
        elif self._load is not None:
            self._waiting.append(event)
        else:
            self._apply(event)

    def load(self) -> None:
        """Load what events tell the changes of; events that arrive meanwhile are applied afterwards."""
        if self._load is not None:
            self._load.cancel()
        self._waiting.clear()
        self._load = asyncio.create_task(self._loaded())

    async def _loaded(self) -> None:
        while (found := await self.tray()) is None:  # noqa: ASYNC110  (polls)
            await asyncio.sleep(LOAD_AGAIN_S)
        self.rings, self.own = found
        for event in self._waiting:
            self._apply(event)
        self._load = None

    async def tray(self) -> tuple[dict[str, str], set[str]] | None:
        """The rings of the tray and the ids of the viewer's own live stories, as they are read; None if not now."""
        rings = await self.client.once(self.viewer, "GET", "/v1/tray", params={"limit": 100})
        own = await self.client.once(self.viewer, "GET", "/v1/me/stories", params={"limit": 100, "state": "live"})
        if {rings.status, own.status} != {200}:
            return None
        authors = {each["author_id"]: each["ring"] for each in rings.body["items"]}
        return authors, {each["id"] for each in own.body["items"]}

    def _apply(self, event: Event) -> None:
        kind, data = event
        if kind == "ring":
            self.rings.pop(data["author_id"], None)
            if data["ring"] != "none":
                self.rings[data["author_id"]] = data["ring"]
        elif kind == "story":
            (self.own.add if data["state"] == "live" else self.own.discard)(data["id"])


def refusal(model: Model, viewer: str, event: Event, since: float, at: float) -> str | None:
    """Why a viewer must not be told this, if nothing of it was true from `since` to `at`."""
    kind, data = event
    if kind == "ring" and data["ring"] != "none":
        if model.edge("following", viewer, data["author_id"]).possible(since, at) == {False}:
            return "of somebody who is not followed"
        if all(gone(model, viewer, story, since, at) for story in model.of(data["author_id"])):
            return "gone or not for the viewer"
    if kind == "story":
        story = model.by_id.get(data["id"])
        if story is None or story.author != viewer:
            return "of somebody else's story"
        if data["state"] == "live" and gone(model, viewer, story, since, at):
            return "gone or not for the viewer"
        if data["state"] == "ended" and story.lives(at) and (story.expires_at or at) > at:
            return "ended before its end"
    return None


def gone(model: Model, viewer: str, story: Story, since: float, at: float) -> bool:
    """Whether a viewer certainly could not see a story from `since` to `at`."""
    return (
        story.state in {"refused", "wanted", "drafted"}
        or (story.publish_at is not None and min(story.publish_at.possible(since, at)) > at)
        or (story.expires_at is not None and story.expires_at < since)
        or story.deleted.possible(since, at) == {True}
        or model.may_see(viewer, story, since, at) == {False}
    )


@dataclass
class LiveClients:
    """All clients, behind a proxy that breaks their connections, within a message too."""

    clients: Sequence[LiveClient]
    proxy: Proxy
    rng: random.Random
    breaking: bool = True

    async def run(self) -> None:
        """Connect, and break connections, for ever."""
        async with asyncio.TaskGroup() as group:
            for client in self.clients:
                group.create_task(client.run())
            group.create_task(self._break())

    async def _break(self) -> None:
        modes: Sequence[Mode] = ("cut", "torn")
        while True:
            await asyncio.sleep(self.rng.uniform(*INTACT_S))
            self.proxy.set_mode(self.rng.choice(modes) if self.breaking else "open")
            await asyncio.sleep(self.rng.uniform(*BROKEN_S))
            self.proxy.set_mode("open")

    def leave_intact(self) -> None:
        """Break no connection any more."""
        self.breaking = False
        self.proxy.set_mode("open")

    def figures(self) -> dict[str, int]:
        """What all of them got, by kind."""
        return dict(sum((client.count for client in self.clients), Counter[str]()))

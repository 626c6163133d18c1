"""Live clients know what the tray shows, from events alone, and learn of a new story at once."""

import asyncio
import random
import time
from dataclasses import dataclass
from functools import partial

from ..live_clients import LiveClient, LiveClients
from ..operations import Operations
from ..timing import came_true
from .stories import StoryChecks

CURRENT_S = 20.0
TOLD_S = 8.0
"""For one story without faults, on a machine that does much else; the contract's bound is 2 s."""
UNREAD_S = 80.0
"""At most, with the time in which the tray could not be read: that says nothing of events."""
POLL_S = 0.3


@dataclass
class LiveChecks:
    """Compares what clients built from events with reads."""

    ask: StoryChecks
    operations: Operations
    live: LiveClients

    async def current(self) -> None:
        """every client knows what the tray and the list of own stories show"""
        if not sum(client.count["ring"] + client.count["story"] for client in self.live.clients):
            self.ask.wrong("live clients are told something", figures=self.live.figures())
        await asyncio.gather(*(self._current(client) for client in self.live.clients))

    async def _current(self, client: LiveClient) -> None:
        began = readable = time.time()
        different: list[tuple[float, object, object]] = []
        while True:
            found = await client.tray()
            known = dict(client.rings), set(client.own)
            if found == known:
                return
            now = time.time()
            if found is None:
                readable = now
            elif not different or different[-1][1:] != (known, found):
                different.append((now - began, known, found))
            if now > min(readable + CURRENT_S, began + UNREAD_S):
                break
            await asyncio.sleep(POLL_S)
        self.ask.wrong(
            "events, resumes and resets tell every change", viewer=client.viewer, different=different,
            last_id=client.last_id, count=client.count, last=client.arrivals[-5:],
        )  # fmt: skip

    async def told(self) -> None:
        """a follower's client is told of a new story"""
        now = time.time()
        authors = {
            author: [
                client
                for client in self.live.clients
                if self.ask.model.edge("following", client.viewer, author).possible(now, now) == {True}
            ]
            for author in self.ask.model.users
        }
        author = max(authors, key=lambda each: len(authors[each]))
        story = await self.operations.posted(author, random.Random(0), rule=("everyone", frozenset()))
        due = ("ring", {"author_id": author, "ring": "unseen"})

        def arrived(client: LiveClient) -> bool:
            return any(at >= now and event == due for at, event in client.arrivals)

        for client in authors[author]:
            if not await came_true(partial(arrived, client), (story.live_at or now) + TOLD_S - time.time()):
                self.ask.wrong("a new story is announced", viewer=client.viewer, story=story.id)

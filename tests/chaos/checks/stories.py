"""Every accepted publish is live, ended or rejected; every story is visible exactly where it may be."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from ..http_client import Answer, Client
from ..invariant_monitor import Wrong
from ..model import Model, Story

RETRIES, RETRY_S = 30, 0.5
"""Retries, and the pause between them: a replica may be stale briefly after a restart."""
ABOUT_TO_END_S = 2.0


@dataclass
class StoryChecks:
    """Reads at the gateway and at every replica of feed."""

    client: Client
    model: Model
    wrong: Wrong
    endpoints: dict[str, httpx.AsyncClient]

    async def publishes(self) -> None:
        """accepted publishes = live + ended + rejected"""
        for story in self.model.stories:
            if story.id is None or not (story.publish_answered or story.state in {"live", "refused"}):
                continue
            found = await self._outcome(story)
            now = time.time()
            if story.state == "refused":
                right = found == "refused"
            elif story.lives(now):
                right = found == "live"
            elif story.state == "gone" and story.maybe_deleted:
                right = found in {"404/404", "deleted", "expired"}  # cancelled, or a repost's original was deleted
            else:
                right = found in {"expired", "deleted"}
            about_to = story.expires_at is not None and abs(now - story.expires_at) < ABOUT_TO_END_S
            if not right and not about_to:
                self.wrong("every publish is accounted for", story=story.id, known=story.state, found=found)

    async def _outcome(self, story: Story) -> str:
        own = await self.known(story.author, f"/v1/me/stories/{story.id}")
        if own.status == 200:
            return str(own.body["state"])
        receipt = await self.known(story.author, f"/v1/stories/{story.id}/receipt")
        return str(receipt.body["ended"]) if receipt.status == 200 else f"{own.status}/{receipt.status}"

    async def reels(self) -> None:
        """each story exactly once in each allowed tray and reel, and in no forbidden one"""
        for endpoint in ("gateway", *(name for name in self.endpoints if name.startswith("feed"))):
            await asyncio.gather(*(self._check_viewer(viewer, endpoint) for viewer in self.model.users))

    async def _check_viewer(self, viewer: str, endpoint: str) -> None:
        users = ",".join(self.model.users)
        reels = await self.known(viewer, "/v1/reels", endpoint, user_ids=users)
        tray = await self.known(viewer, "/v1/tray", endpoint, limit=100)
        if reels.status != 200 or tray.status != 200:
            self.wrong(
                "reels and trays are answered", viewer=viewer, endpoint=endpoint, status=(reels.status, tray.status)
            )
            return
        rings = {ring["author_id"]: ring for ring in tray.body["items"]}
        for author in self.model.users:
            shown = Counter(item["id"] for item in reels.body["reels"].get(author, []))
            must, may = self._due(viewer, author, reels)
            if any(number > 1 for number in shown.values()) or not must <= shown.keys() <= may:
                self.wrong(
                    "each story once where it may be seen", viewer=viewer, author=author, endpoint=endpoint,
                    missing=sorted(must - shown.keys()), forbidden=sorted(shown.keys() - may), shown=dict(shown),
                )  # fmt: skip
            if viewer != author:
                self._check_ring(viewer, author, endpoint, rings.get(author), tray)

    def _check_ring(
        self, viewer: str, author: str, endpoint: str, ring: dict[str, object] | None, tray: Answer
    ) -> None:
        must, may = self._due(viewer, author, tray)
        follows = self.model.edge("following", viewer, author).possible(tray.started, tray.ended)
        count = ring["stories"] if ring else 0
        if follows == {True}:
            right = isinstance(count, int) and len(must) <= count <= len(may)
        else:
            right = follows != {False} or ring is None
        if not right:
            self.wrong(
                "a tray shows whom one follows", viewer=viewer, author=author, endpoint=endpoint, ring=ring,
                must=sorted(must), may=sorted(may),
            )  # fmt: skip

    def _due(self, viewer: str, author: str, answer: Answer) -> tuple[set[str], set[str]]:
        """Ids that a response must contain, and ids that it may contain."""
        must, may = set(), set()
        for story in self.model.of(author):
            if story.id is None or story.state != "live" or story.expires_at is None:
                continue
            allowed = self.model.may_see(viewer, story, answer.started, answer.ended)
            exists = {not gone for gone in story.deleted.possible(answer.started, answer.ended)}
            if True in allowed and True in exists and answer.started < story.expires_at:
                may.add(story.id)
                if {True} == allowed == exists and answer.ended < story.expires_at - ABOUT_TO_END_S:
                    must.add(story.id)
        return must, may

    async def known(self, user: str, path: str, endpoint: str = "gateway", **params: object) -> Answer:
        """A conclusive response, retried until there is one."""
        return await self.conclusive(
            lambda: self.client.once(user, "GET", path, self.endpoints.get(endpoint), params=params)
        )

    async def conclusive(self, attempt: Callable[[], Awaitable[Answer]]) -> Answer:
        """The first conclusive response; the last response if there is none."""
        for _ in range(RETRIES):
            answer = await attempt()
            if answer.conclusive:
                break
            await asyncio.sleep(RETRY_S)
        return answer

    async def pages(self, user: str, path: str) -> list[dict[str, Any]]:
        """All items of a list; a list that cannot be read is a violation."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self.known(user, path, limit=100, **cursor)
            if page.status != 200:
                self.wrong("lists can be read", user=user, path=path, status=page.status)
                return found
            found += page.body["items"]
            if not page.body["next_cursor"]:
                return found
            cursor = {"cursor": page.body["next_cursor"]}

"""Users with tokens who call the gateway."""

import asyncio
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any
from urllib.parse import quote

import httpx
from stories_shared.testing import eventually

from .samples import Sample
from .waiting import ERASED, SOON

TIMEOUT_S = 20.0
"""Seconds that a client retries while responses have `Retry-After`."""

Answer = dict[str, Any]
Item = Mapping[str, Any]


@dataclass(frozen=True)
class Person:
    """A user of the system."""

    id: str
    token: str
    http: httpx.AsyncClient
    usual: Sample
    """The default photo."""

    async def call(
        self,
        method: str,
        path: str,
        *,
        ticket: str | None = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        **request: Any,
    ) -> httpx.Response:
        """Send a request. `ticket` and `key` (idempotency) become headers."""
        own = {"Authorization": f"Bearer {self.token}", "Story-Ticket": ticket, "Idempotency-Key": key}
        sent = {name: value for name, value in own.items() if value is not None} | dict(headers or {})
        return await self.http.request(method, path, headers=sent, **request)

    async def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send a request, and retry on 503 as `Retry-After` says."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            answer = await self.call(method, path, **request)
            if answer.status_code != 503 or time.monotonic() > deadline:
                return answer
            assert int(answer.headers["retry-after"]) >= 1
            await asyncio.sleep(0.3)

    async def get(self, path: str, *, ticket: str | None = None, **params: Any) -> Answer:
        """Read an existing resource."""
        answer = await self.ask("GET", path, ticket=ticket, params=params)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        found: Answer = answer.json()
        return found

    async def done(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send a request that succeeds."""
        answer = await self.ask(method, path, **request)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    async def pages(self, path: str, limit: int = 100, **request: Any) -> list[Answer]:
        """All items of a list, page by page."""
        items: list[Answer] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self.get(path, limit=limit, **cursor, **request)
            assert len(page["items"]) <= limit
            items += page["items"]
            if not page["next_cursor"]:
                return items
            cursor = {"cursor": page["next_cursor"]}

    # Posting

    async def create(self, sample: Sample | None = None, key: str | None = None, **fields: Any) -> httpx.Response:
        """Create a story with this media."""
        sample = sample or self.usual
        media = {"content_type": sample.content_type, "size": len(sample.content)}
        return await self.ask("POST", "/v1/stories", key=key, json={"media": media, **fields})

    async def draft(self, sample: Sample | None = None, **fields: Any) -> Answer:
        """A draft with uploaded media."""
        answer = await self.create(sample, **fields)
        assert answer.status_code == 201, answer.text
        draft: Answer = answer.json()
        uploaded = await self.upload(draft["upload"], sample or self.usual)
        assert uploaded.is_success, uploaded.text
        return draft

    async def upload(self, form: Answer, sample: Sample) -> httpx.Response:
        """Upload to the object store with the form."""
        file = {"file": ("media", sample.content, form["fields"].get("Content-Type", sample.content_type))}
        return await self.http.request(form["method"], form["url"], data=form["fields"], files=file)

    async def publish(self, story_id: str, wait: int = 30) -> httpx.Response:
        """Publish an uploaded draft and wait for the result."""
        return await self.ask("POST", f"/v1/stories/{story_id}/publish", params={"wait": wait})

    async def post(self, sample: Sample | None = None, **fields: Any) -> Answer:
        """A live story."""
        answer = await self.publish((await self.draft(sample, **fields))["id"])
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        story: Answer = answer.json()
        assert story["state"] == "live"
        return story

    async def post_and_wait(self, sample: Sample | None = None, **fields: Any) -> Answer:
        """A live story that engagement has consumed, so that its author needs no ticket."""
        story = await self.post(sample, **fields)
        await eventually(lambda: self.counts(story), SOON)
        return story

    async def change(self, story: Item, **choices: Any) -> Answer:
        """PATCH an own story."""
        found: Answer = (await self.done("PATCH", f"/v1/stories/{story['id']}", json=choices)).json()
        return found

    async def delete(self, story: Item) -> None:
        """Delete an own story."""
        await self.done("DELETE", f"/v1/stories/{story['id']}")

    async def own(self, story: Item) -> Answer:
        """An own story with all fields."""
        return await self.get(f"/v1/me/stories/{story['id']}")

    async def receipt(self, story: Item) -> Answer:
        """The erasure receipt of an own story."""
        return await self.get(f"/v1/stories/{story['id']}/receipt")

    async def complete_receipt(self, story: Item, within_s: float = ERASED) -> Answer:
        """The same, once every store has erased."""
        found: Answer = await eventually(lambda: self.receipt(story), within_s, accept=itemgetter("complete"))
        return found

    async def erase_account(self, user: "Person", within_s: float = ERASED) -> Answer:
        """Erase the account of a user, as an admin; the complete receipt."""
        await self.done("POST", f"/v1/admin/users/{user.id}/erasure")
        return await self.account_receipt(user, within_s)

    async def account_receipt(self, user: "Person", within_s: float = ERASED) -> Answer:
        """The receipt of an erased account as an admin reads it, once every service has confirmed."""
        path = f"/v1/admin/users/{user.id}/erasure"
        found: Answer = await eventually(lambda: self.get(path), within_s, accept=itemgetter("complete"))
        return found

    # Watching

    async def tray(self) -> dict[str, Answer]:
        """All rings of the tray by author, in order."""
        return {ring["author_id"]: ring for ring in await self.pages("/v1/tray")}

    async def ring_in_tray(self, author: "Person") -> Answer | None:
        """The ring of an author in the tray."""
        return (await self.tray()).get(author.id)

    async def mine(self) -> Answer | None:
        """The own ring in the tray."""
        ring: Answer | None = (await self.get("/v1/tray"))["mine"]
        return ring

    async def ring(self, author: "Person") -> str:
        """The ring of one author."""
        rings: dict[str, str] = (await self.get("/v1/rings", user_ids=author.id))["rings"]
        return rings[author.id]

    async def reel(self, author: "Person") -> list[Answer]:
        """The visible stories of an author."""
        return await self.pages(f"/v1/users/{quote(author.id)}/stories")

    async def item(self, story: Item) -> Answer:
        """A story as this user gets it."""
        return await self.get(f"/v1/stories/{story['id']}")

    async def sees(self, story: Item) -> bool:
        """Whether every read shows it, or none does: the reel, the reels and the story by id must agree."""
        author = quote(str(story["author_id"]))
        by_id = await self.call("GET", f"/v1/stories/{story['id']}")
        reel = await self.get(f"/v1/users/{author}/stories", limit=100)
        reels = await self.get("/v1/reels", user_ids=story["author_id"])
        assert by_id.status_code in {200, 404}, by_id.text
        answers = [
            by_id.status_code == 200,
            story["id"] in [item["id"] for item in reel["items"]],
            story["id"] in [item["id"] for item in reels["reels"][story["author_id"]]],
        ]
        assert len(set(answers)) == 1, f"reads disagree about {story['id']}: {answers}"
        return answers[0]

    async def for_you(self) -> list[str]:
        """The ids of For You, all pages."""
        return [item["id"] for item in await self.pages("/v1/for-you")]

    async def media(self, url: str) -> httpx.Response:
        """The response of a media URL."""
        return await self.http.get(url)

    # Between people

    async def follow(self, *others: "Person") -> None:
        """Follow these users."""
        for other in others:
            await self.done("PUT", f"/v1/following/{quote(other.id)}")

    async def befriend(self, other: "Person") -> None:
        """Both follow each other."""
        await self.follow(other)
        await other.follow(self)

    # Engaging

    async def view(self, *items: Item, play_id: str | None = None, **more: Any) -> Answer:
        """Report a play of each story."""
        views = [{"ticket": each["ticket"], "play_id": play_id or secrets.token_hex(8), **more} for each in items]
        answer = await self.done("POST", "/v1/views", json={"views": views})
        assert answer.status_code == 202
        taken: Answer = answer.json()
        return taken

    async def react(self, item: Item, emoji: str = "❤️") -> httpx.Response:
        """React to a story."""
        ticket = item.get("ticket")
        return await self.call("PUT", f"/v1/stories/{item['id']}/reaction", ticket=ticket, json={"emoji": emoji})

    async def comment(self, item: Item, text: str, **more: Any) -> httpx.Response:
        """Comment on a story; `reply_to` and `key` as in the API."""
        key, ticket = more.pop("key", None), item.get("ticket")
        body = {"text": text, **more}
        return await self.call("POST", f"/v1/stories/{item['id']}/comments", ticket=ticket, key=key, json=body)

    async def share(self, item: Item) -> httpx.Response:
        """Request a share link."""
        return await self.call("POST", f"/v1/stories/{item['id']}/shares", ticket=item.get("ticket"))

    async def counts(self, item: Item) -> Answer:
        """The counts of a story."""
        return await self.get(f"/v1/stories/{item['id']}/counts", ticket=item.get("ticket"))

    async def viewers(self, story: Item) -> Answer:
        """The viewers of an own story."""
        return await self.get(f"/v1/stories/{story['id']}/viewers", limit=100)

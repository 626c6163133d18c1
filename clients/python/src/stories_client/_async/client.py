"""The API with what every client needs: uploads, views, tickets and URLs that last, pages, live updates."""

import asyncio
import mimetypes
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx

from stories_client import models
from stories_client._async.operations import AsyncOperations
from stories_client._async.transport import AsyncToken, AsyncTransport
from stories_client._async.upload import AsyncUpload
from stories_client._async.views import AsyncViewQueue
from stories_client.errors import StoriesError
from stories_client.events import LiveEvent, Messages
from stories_client.states import Progress, UploadState

MARGIN = timedelta(seconds=30)
"""An item is renewed if its URLs or its ticket have less than this left."""
HEARTBEATS_S = 45.0
"""A live connection that is silent for this long is opened again; heartbeats come within 15 s."""
NO_CONTENT, NOT_MODIFIED, NOT_FOUND, UNAUTHENTICATED, LIMITED = 204, 304, 404, 401, 429
FIRST_ERROR, SERVER_ERROR = 400, 500

Answer = TypeVar("Answer")


class AsyncStories(AsyncOperations):
    """Asynchronous client. Every method raises ``StoriesError`` where the server refuses."""

    def __init__(self, base_url: str, token: AsyncToken, *, http: httpx.AsyncClient | None = None) -> None:
        """Args:
        base_url: the gateway, without `/v1`.
        token: the bearer token, or a function that gets one; called with true when the last one was refused.
        http: a client of your own, for proxies, certificates and timeouts.
        """
        self.http = http or httpx.AsyncClient(timeout=httpx.Timeout(60.0, connect=10.0))
        self._base_url = base_url.rstrip("/")
        self._transport = AsyncTransport(self.http, token)
        self._etags: dict[str, tuple[str, Any]] = {}

    async def __aenter__(self) -> "AsyncStories":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        headers: dict[str, str | None] | None = None,
        body: Any = None,
    ) -> Any:
        """Send a request. Raises: StoriesError: it was refused."""
        response = await self._send(method, path, query, headers, body)
        if response.status_code >= FIRST_ERROR:
            raise StoriesError.of(response)
        return None if response.status_code == NO_CONTENT else response.json()

    async def _send(
        self,
        method: str,
        path: str,
        query: dict[str, Any] | None,
        headers: dict[str, str | None] | None,
        body: Any = None,
    ) -> httpx.Response:
        return await self._transport.send(
            method,
            self._base_url + path,
            query={name: value for name, value in (query or {}).items() if value is not None},
            headers={name: value for name, value in (headers or {}).items() if value is not None},
            body=body,
        )

    # Viewing

    async def tray(self) -> models.TrayPage:
        """The first 100 rings. Repeated calls send the ETag: what has not changed is not transferred again."""
        found: models.TrayPage = await self._cached("/v1/tray")
        return found

    async def reel(self, user_id: str) -> list[models.ReelItem]:
        """The stories of one author in playing order; empty if there is none that the caller may see."""
        path = f"/v1/users/{quote(user_id, safe='')}/stories"
        first: models.ReelPage = await self._cached(path)
        items, cursor = list(first["items"]), first["next_cursor"]
        while cursor:
            page = await self.get_reel(user_id, limit=100, cursor=cursor)
            items, cursor = [*items, *page["items"]], page["next_cursor"]
        return items

    async def fresh(self, item: models.ReelItem) -> models.ReelItem | None:
        """The item with URLs and a ticket that last, or None if it has ended or may no longer be seen."""
        now = datetime.now(UTC)
        over = datetime.fromisoformat(item["expires_at"])
        ends = min(datetime.fromisoformat(item["urls_expire_at"]), datetime.fromisoformat(item["ticket_expires_at"]))
        if over <= now:
            return None
        return item if ends - now > MARGIN or ends >= over else await self.renewed(item)

    async def renewed(self, item: models.ReelItem) -> models.ReelItem | None:
        """The item read again, or None if it has ended or may no longer be seen."""
        try:
            return await self.get_story(item["id"])
        except StoriesError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    async def pages(
        self, path: str, *, query: dict[str, Any] | None = None, headers: dict[str, str | None] | None = None
    ) -> AsyncIterator[Any]:
        """Every item of a list, page by page, as they are asked for."""
        cursor = None
        while True:
            page = await self.call("GET", path, query={**(query or {}), "cursor": cursor}, headers=headers)
            for item in page["items"]:
                yield item
            cursor = page["next_cursor"]
            if not cursor:
                return

    def for_you(self) -> AsyncIterator[models.ReelItem]:
        """Public stories of anyone, ranked."""
        return self.pages("/v1/for-you")

    def hashtag(self, tag: str) -> AsyncIterator[models.ReelItem]:
        """Public stories with a hashtag, newest first."""
        return self.pages(f"/v1/hashtags/{quote(tag, safe='')}/stories")

    def mentions(self) -> AsyncIterator[models.ReelItem]:
        """Stories that mention the caller, newest first."""
        return self.pages("/v1/me/mentions")

    async def live(self) -> AsyncIterator[LiveEvent]:
        """Changes of rings and of one's own stories; reconnects and resumes, until the iterator is closed.

        Raises: StoriesError: of status 404 where the server has no live updates; poll ``tray`` then.
        """
        messages = Messages()
        refused = False
        while True:
            try:
                async for event in self._stream(messages, refused):
                    refused = False
                    yield event
            except httpx.TransportError:
                pass
            except StoriesError as error:
                if error.status == UNAUTHENTICATED and self._transport.renews and not refused:
                    refused = True
                    continue
                if FIRST_ERROR <= error.status < SERVER_ERROR and error.status != LIMITED:
                    raise
            await asyncio.sleep(messages.retry_s)

    async def _stream(self, messages: Messages, refused: bool) -> AsyncIterator[LiveEvent]:
        """The events of one connection."""
        resume = {"Last-Event-ID": messages.last_id} if messages.last_id else {}
        headers = {"Accept": "text/event-stream", **resume, **await self._transport.bearer(refused)}
        timeout = httpx.Timeout(10.0, read=HEARTBEATS_S)
        async with self.http.stream("GET", f"{self._base_url}/v1/live", headers=headers, timeout=timeout) as response:
            if response.status_code >= FIRST_ERROR:
                await response.aread()
                raise StoriesError.of(response)
            async for line in response.aiter_lines():
                event = messages.feed(line)
                if event is not None:
                    yield event

    def views(self, path: Path | None = None) -> AsyncViewQueue:
        """A queue of views; with a path they outlive the process until they are accepted."""
        return AsyncViewQueue(self, path)

    # Engagement: everything about an item needs its ticket; one that has ended is renewed once.

    async def with_ticket(self, item: models.ReelItem, act: Callable[[str], Awaitable[Answer]]) -> Answer:
        """Call ``act`` with the item's ticket; again with a new one if it has ended. The item is updated."""
        try:
            return await act(item["ticket"])
        except StoriesError as error:
            again = await self.renewed(item) if error.type == "ticket-expired" else None
            if again is None:
                raise
            item.update(again)
            return await act(item["ticket"])

    async def react(self, item: models.ReelItem, emoji: str | None) -> None:
        """React with an emoji, or withdraw the reaction."""
        if emoji is None:
            await self.withdraw_reaction(item["id"])
        else:
            await self.with_ticket(item, lambda ticket: self.set_reaction(item["id"], {"emoji": emoji}, ticket=ticket))

    async def comment(self, item: models.ReelItem, text: str, *, reply_to: str | None = None) -> models.Comment:
        """Comment, or reply to a comment."""
        body: models.CommentCreate = {"text": text, "reply_to": reply_to}
        key = str(uuid4())
        return await self.with_ticket(
            item, lambda ticket: self.create_comment(item["id"], body, ticket=ticket, idempotency_key=key)
        )

    def comments(self, item: models.ReelItem, *, reply_to: str | None = None) -> AsyncIterator[models.Comment]:
        """Comments, newest first; with ``reply_to`` its replies, oldest first."""
        path = f"/v1/stories/{item['id']}/comments"
        return self.pages(path, query={"reply_to": reply_to}, headers={"Story-Ticket": item["ticket"]})

    async def answer(self, item: models.ReelItem, layer_id: str, answer: models.AnswerRequest) -> models.Answer:
        """Answer a poll, a quiz or a question."""
        return await self.with_ticket(
            item, lambda ticket: self.answer_layer(item["id"], layer_id, answer, ticket=ticket)
        )

    async def share(self, item: models.ReelItem) -> str:
        """A link to the story."""
        key = str(uuid4())
        shared = await self.with_ticket(
            item, lambda ticket: self.share_story(item["id"], ticket=ticket, idempotency_key=key)
        )
        return shared["url"]

    # Posting

    def upload(
        self,
        file: IO[bytes] | None,
        choices: dict[str, Any] | None = None,
        *,
        content_type: str | None = None,
        on_progress: Progress | None = None,
        state: UploadState | None = None,
    ) -> AsyncUpload:
        """Post a file. Without a file ``choices`` describes a text story.

        Args:
            file: opened for reading bytes; its name tells the content type.
            choices: fields of ``StoryCreate`` other than ``media``.
            content_type: if the name does not tell it.
            on_progress: called with the stage and its share that is done.
            state: the stored state of an upload that was interrupted.
        """
        body: Any = dict(choices or {})
        if file is not None:
            kind = content_type or mimetypes.guess_type(str(getattr(file, "name", "")))[0]
            if kind is None:
                raise ValueError("the file's name does not tell its type: content_type=")
            body["media"] = {"content_type": kind, "size": file.seek(0, os.SEEK_END)}
        return AsyncUpload(self, body, file, on_progress, state)

    async def post(self, path: Path, choices: dict[str, Any] | None = None) -> models.Story:
        """Post a file and wait until it is live."""
        with path.open("rb") as file:
            return await self.upload(file, choices).run()

    def mine(self, state: str | None = None) -> AsyncIterator[models.Story]:
        """The caller's own stories."""
        return self.pages("/v1/me/stories", query={"state": state})

    def followers(self) -> AsyncIterator[models.Edge]:
        """Who follows the caller."""
        return self.pages("/v1/followers", query={"limit": 100})

    def following(self) -> AsyncIterator[models.Followed]:
        """Whom the caller follows."""
        return self.pages("/v1/following", query={"limit": 100})

    def viewers(self, story_id: str) -> AsyncIterator[models.Viewer]:
        """Who viewed one of the caller's stories, newest first."""
        return self.pages(f"/v1/stories/{story_id}/viewers", query={"limit": 100})

    async def _cached(self, path: str) -> Any:
        """The answer, or the last one where the server says that it has not changed."""
        etag, body = self._etags.get(path, (None, None))
        response = await self._send("GET", path, {"limit": 100}, {"If-None-Match": etag})
        if response.status_code == NOT_MODIFIED:
            return body
        if response.status_code >= FIRST_ERROR:
            raise StoriesError.of(response)
        found = response.json()
        if "ETag" in response.headers:
            self._etags[path] = response.headers["ETag"], found
        return found

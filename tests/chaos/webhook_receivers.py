"""Receivers of webhooks: one that accepts everything, and one that fails, hangs and lies until it is told to behave."""

import asyncio
import base64
import random
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError
from stories_engagement.domain.webhooks import WEBHOOK_EVENTS
from stories_engagement.testing.receiver import ANSWERS, Receiver, Request, listening

from .http_client import Answer, Client
from .invariant_monitor import Wrong

ADMIN = "moderator"
Fault = Literal["accept", "fail", "redirect", "lie", "break", "cut", "hang", "late", "flood", "forget"]
"""How a request is answered.

* `accept`: 204, at once
* `late`: 204 after two seconds
* `flood`: 200 with a body that does not end
* `cut`: 200, and a body that breaks off
* `forget`: 204, though nothing was recorded
* `fail`, `redirect`, `lie`: 500, 302, and no HTTP
* `break`: the connection closes within the head of the answer
* `hang`: no answer
"""
WEIGHTS: Mapping[Fault, int] = {
    "accept": 5, "late": 1, "flood": 1, "cut": 1, "forget": 2,
    "fail": 3, "redirect": 2, "lie": 1, "break": 2, "hang": 2,
}  # fmt: skip
ACCEPTED: frozenset[Fault] = frozenset({"accept", "late", "flood", "cut"})
"""Recorded, and answered with a status of success in time."""

LATE_S = 2.0
FLOOD = b"x" * 65_536


@dataclass(frozen=True)
class Received:
    """A verified request: its `webhook-id`, when it came, how it was answered, its body and the event in it."""

    id: str
    at: float
    fault: Fault
    body: bytes
    event: Mapping[str, Any]

    @property
    def topic(self) -> str:
        """The event's name, such as `story-posted`."""
        return str(self.event["type"]).removeprefix("stories.").removesuffix(".v1")

    @property
    def story_id(self) -> str:
        """The story that it is about."""
        return str(self.event["subject"])


@dataclass
class WebhookReceiver(Receiver):
    """Verifies and keeps what one endpoint got. `rng` draws how each request is answered while it misbehaves."""

    name: str = ""
    rng: random.Random | None = None
    wrong: Wrong = field(default=lambda promise, **about: None)
    webhook_id: str = ""
    secret: str = field(default_factory=lambda: f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}")
    received: list[Received] = field(default_factory=list)
    answered: Counter[Fault] = field(default_factory=Counter)
    forced: Fault | None = None
    """How every request is answered from now on; None: as drawn."""

    async def respond(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Verify, record, and answer as drawn."""
        fault = self.forced or self._drawn()
        self.answered[fault] += 1
        self.requests.clear()
        try:
            event = Verifier(self.secret).verify(request.body, request.headers)
        except WebhookVerificationError as error:
            self.wrong("webhooks are signed", endpoint=self.name, error=str(error), headers=request.headers)
            return
        if request.path != "/hook":
            self.wrong("webhooks follow no redirect", endpoint=self.name, path=request.path)
        self.received.append(Received(request.headers["webhook-id"], time.time(), fault, request.body, event))
        await answer(fault, writer)

    def accepted(self) -> set[str]:
        """The `webhook-id`s of what was recorded and answered with success."""
        return {each.id for each in self.received if each.fault in ACCEPTED}

    def forgotten(self) -> set[str]:
        """The `webhook-id`s that were answered with success and not recorded."""
        return {each.id for each in self.received if each.fault == "forget"} - self.accepted()

    def last(self, topic: str) -> dict[str, Mapping[str, Any]]:
        """The data of the last event of a topic, by story."""
        return {each.story_id: each.event["data"] for each in self.received if each.topic == topic}

    def behave(self) -> None:
        """Accept everything from now on."""
        self.forced = "accept"

    def _drawn(self) -> Fault:
        return self.rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0] if self.rng is not None else "accept"


async def answer(fault: Fault, writer: asyncio.StreamWriter) -> None:
    """Answer one request."""
    if fault == "hang":
        await asyncio.Event().wait()
    if fault == "late":
        await asyncio.sleep(LATE_S)
    if fault == "break":
        writer.write(b"HTTP/1.1 200 O")
    elif fault == "cut":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    elif fault == "flood":
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    else:
        writer.write(ANSWERS.get(fault, ANSWERS["accept"]))
    await writer.drain()
    while fault == "flood":
        writer.write(FLOOD)
        await writer.drain()
    if fault in {"break", "cut"}:
        raise ConnectionResetError


@dataclass
class Webhooks:
    """Two endpoints of the same events."""

    client: Client
    healthy: WebhookReceiver
    faulty: WebhookReceiver

    async def register(self) -> None:
        """Register both."""
        self.client.person(ADMIN, roles=["admin"])
        for receiver in (self.healthy, self.faulty):
            body = {"url": receiver.url, "events": list(WEBHOOK_EVENTS), "secret": receiver.secret}
            registered = await self.ask("POST", "", key=f"webhook-{receiver.name}", json=body)
            receiver.webhook_id = registered.body["id"]

    async def ask(self, method: str, path: str, **request: Any) -> Answer:
        """An admin's request, retried until its result is known."""
        what = f"/v1/admin/webhooks{path}"
        op = self.client.history.invoke("webhooks", method=method, path=path)
        return await self.client.until_known(op, lambda: self.client.once(ADMIN, method, what, **request))

    async def retry(self, receiver: WebhookReceiver, delivery_id: str) -> None:
        """Deliver once more, now."""
        await self.ask("POST", f"/{receiver.webhook_id}/deliveries/{delivery_id}/retry")


@asynccontextmanager
async def webhook_receivers(client: Client, wrong: Wrong, seed: int) -> AsyncIterator[Webhooks]:
    """Both receivers, on free ports of this machine."""
    healthy = WebhookReceiver(name="healthy", wrong=wrong)
    faulty = WebhookReceiver(name="faulty", wrong=wrong, rng=random.Random(f"{seed}/webhooks"))
    async with listening(healthy), listening(faulty):
        yield Webhooks(client, healthy, faulty)

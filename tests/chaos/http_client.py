"""A client for all users, with one attempt or retries until the result is known."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from tests.journeys.people import Person
from tests.journeys.samples import Sample

from .history import History
from .model import Change

ATTEMPT_S = 8.0
"""Timeout of an attempt: longer than the gateway waits for a service, shorter than a freeze."""
AGAIN_S = 0.4
TIMEOUT_S = 45.0
"""How long an operation is retried before it stays open; open operations are resolved after recovery."""
PROBLEM = "application/problem+json"
RUNNING = "urn:stories:idempotency-running"


@dataclass(frozen=True)
class Answer:
    """A response and the interval of its request. `status` 0: no response."""

    status: int
    started: float
    ended: float
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300

    @property
    def conclusive(self) -> bool:
        """Whether the result of the operation is known: neither no response, nor 5xx, 429 or "still running"."""
        running = isinstance(self.body, dict) and self.body.get("type") == RUNNING
        return 0 < self.status < 500 and self.status != 429 and not running


@dataclass
class Client:
    """Sends requests as any user to any endpoint, and reports responses that must not occur."""

    history: History
    http: httpx.AsyncClient
    token: Callable[[str], str]
    photo: Sample
    wrong: Callable[..., None]
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _people: dict[str, Person] = field(default_factory=dict)

    def person(self, user: str, **claims: Any) -> Person:
        """A user at the gateway."""
        if user not in self._people:
            self._people[user] = Person(user, self.token(user, **claims), self.http, self.photo)
        return self._people[user]

    async def once(
        self, user: str, method: str, path: str, endpoint: httpx.AsyncClient | None = None, **request: Any
    ) -> Answer:
        """One attempt, at the gateway or at another endpoint."""
        person = self.person(user)
        if endpoint is not None:
            person = replace(person, http=endpoint)
        return await self.timed(person.call(method, path, timeout=ATTEMPT_S, **request), f"{method} {path}")

    async def timed(self, call: Any, what: str) -> Answer:
        """Await a request. A 500 is always a violation, and a 503 needs Retry-After."""
        started = time.time()
        try:
            async with asyncio.timeout(ATTEMPT_S + 2):
                response: httpx.Response = await call
        except (httpx.HTTPError, TimeoutError):
            return Answer(0, started, time.time())
        body: Any = None
        if "json" in response.headers.get("content-type", ""):
            try:
                body = response.json()
            except json.JSONDecodeError:
                return Answer(0, started, time.time())
        answer = Answer(response.status_code, started, time.time(), body, response.headers)
        if what and answer.status == 500:
            self.wrong("no answer is 500", asked=what, body=response.text[:500])
        if (
            what
            and answer.status == 503
            and not (answer.headers.get("retry-after") and PROBLEM in answer.headers.get("content-type", ""))
        ):
            self.wrong("503 is a problem with Retry-After", asked=what, body=response.text[:500])
        return answer

    async def until_known(self, op: int, attempt: Callable[[], Any], *changes: Change[Any]) -> Answer:
        """Retry until a response is conclusive or the time is over; then the changes stay in doubt."""
        deadline = time.time() + TIMEOUT_S
        tries = 0
        while True:
            answer: Answer = await attempt()
            tries += 1
            if answer.conclusive:
                outcome = "ok" if answer.good else "fail"
                self.history.complete(op, outcome, status=answer.status, tries=tries)
                for change in changes if answer.good else ():
                    change.ack(answer.ended)
                return answer
            for change in changes:
                change.doubt(answer.ended)
            if time.time() > deadline or self.stopping.is_set():
                self.history.complete(op, "info", status=answer.status, tries=tries)
                return answer
            await asyncio.sleep(AGAIN_S)

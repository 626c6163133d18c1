"""People who ask, once or until they know: an answer may be no, yes, or nothing that tells."""

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
"""A client gives up: longer than the gateway waits for a service, shorter than a frozen one is frozen."""
AGAIN_S = 0.4
PATIENCE_S = 45.0
"""How long somebody goes on asking before they leave it open; what is left open is asked again once all is well."""
PROBLEM = "application/problem+json"
RUNNING = "urn:stories:idempotency-running"


@dataclass(frozen=True)
class Answer:
    """What came back, and the stretch in which it was made. `status` 0: nothing came."""

    status: int
    begun: float
    ended: float
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300

    @property
    def tells(self) -> bool:
        """Whether it is certain now what happened: neither no answer, nor a fault, nor "ask again later"."""
        running = isinstance(self.body, dict) and self.body.get("type") == RUNNING
        return 0 < self.status < 500 and self.status != 429 and not running


@dataclass
class Client:
    """Asks as any person, at any door, and keeps an eye on what no answer may be."""

    history: History
    http: httpx.AsyncClient
    token: Callable[[str], str]
    photo: Sample
    wrong: Callable[..., None]
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _people: dict[str, Person] = field(default_factory=dict)

    def person(self, user: str, **claims: Any) -> Person:
        """Somebody at the gateway."""
        if user not in self._people:
            self._people[user] = Person(user, self.token(user, **claims), self.http, self.photo)
        return self._people[user]

    async def once(
        self, user: str, method: str, path: str, door: httpx.AsyncClient | None = None, **asked: Any
    ) -> Answer:
        """One attempt, at the gateway or at another door."""
        person = self.person(user)
        if door is not None:
            person = replace(person, http=door)
        return await self.timed(person.call(method, path, timeout=ATTEMPT_S, **asked), f"{method} {path}")

    async def timed(self, call: Any, what: str) -> Answer:
        """Whatever comes of a request. 500 is never an answer, and 503 says when to come back."""
        begun = time.time()
        try:
            async with asyncio.timeout(ATTEMPT_S + 2):
                response: httpx.Response = await call
        except (httpx.HTTPError, TimeoutError):
            return Answer(0, begun, time.time())
        body: Any = None
        if "json" in response.headers.get("content-type", ""):
            try:
                body = response.json()
            except json.JSONDecodeError:
                return Answer(0, begun, time.time())
        answer = Answer(response.status_code, begun, time.time(), body, response.headers)
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
        """Attempt again until an answer tells, or patience is over: then it stays open, as the changes note."""
        deadline = time.time() + PATIENCE_S
        tries = 0
        while True:
            answer: Answer = await attempt()
            tries += 1
            if answer.tells:
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

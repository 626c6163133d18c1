"""Each server down in each way: what every kind of route of every service answers, how soon, and that it recovers."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from stories_shared.testing import eventually

from .fleet import SERVICES, Fleet
from .people import Life

IN_TIME_S = 3.3
"""Three seconds by contract, and what the way there and back takes on a busy machine."""
AT_ONCE = 12
NO = 503


@dataclass(frozen=True)
class Row:
    """One request and what it is answered while each of the servers is down."""

    service: str
    method: str
    path: str
    mongodb: int
    kafka: int
    body: Any = None
    who: str = "ann"
    ticket: bool = False


STORY = "/v1/stories/{read}"
ROWS = [
    Row("ingest", "GET", "/v1/config", 200, 200),
    Row("ingest", "GET", "/v1/me/stories", NO, 200),
    Row("ingest", "GET", "/v1/me/stories/{read}", NO, 200),
    Row("ingest", "GET", "/v1/me/quota", NO, 200),
    Row("ingest", "POST", "/v1/stories", NO, 201, {"media": {"content_type": "image/jpeg", "size": 100}}),
    Row("ingest", "POST", "/v1/stories/{draft}/upload", NO, 200),
    Row("ingest", "POST", "/v1/stories/{draft}/publish?wait=0", NO, 202),
    Row("ingest", "POST", "/v1/stories/{cancelled}/cancel", NO, 204),
    Row("ingest", "PATCH", STORY, NO, 200, {"reactions": True}),
    Row("ingest", "PATCH", "/v1/stories/{narrowed}", NO, NO, {"audience": "friends"}),
    Row("ingest", "DELETE", "/v1/stories/{doomed}", NO, NO),
    Row("feed", "GET", "/v1/tray", NO, 200, who="bob"),
    Row("feed", "GET", "/v1/rings?user_ids={ann}", NO, 200, who="bob"),
    Row("feed", "GET", "/v1/users/{ann}/stories", NO, NO, who="bob"),
    Row("feed", "GET", "/v1/reels?user_ids={ann}", NO, NO, who="bob"),
    Row("feed", "GET", STORY, NO, NO, who="bob"),
    Row("feed", "GET", "/v1/for-you", NO, NO, who="bob"),
    Row("feed", "PUT", "/v1/users/{ann}/seen", NO, 204, {"up_to": "{read}"}, who="bob"),
    Row("feed", "PUT", "/v1/following/cho", NO, 204),
    Row("feed", "DELETE", "/v1/following/dee", NO, 204),
    Row("feed", "PUT", "/v1/blocked/eve", NO, NO),
    Row("feed", "PUT", "/v1/muted/eve", NO, 204),
    Row("feed", "PUT", "/v1/close-friends/cho", NO, 204),
    Row("feed", "GET", "/v1/following", NO, 200),
    Row("feed", "GET", "/v1/followers", NO, 200),
    Row("engagement", "GET", f"{STORY}/viewers", NO, NO),
    Row("engagement", "GET", f"{STORY}/counts", NO, NO, who="bob", ticket=True),
    Row("engagement", "PUT", f"{STORY}/reaction", NO, NO, {"emoji": "❤️"}, who="bob", ticket=True),
    Row("engagement", "GET", f"{STORY}/reactions", NO, NO, who="bob", ticket=True),
    Row("engagement", "POST", f"{STORY}/comments", NO, NO, {"text": "hi"}, who="bob", ticket=True),
    Row("engagement", "GET", f"{STORY}/comments", NO, NO, who="bob", ticket=True),
    Row("engagement", "DELETE", "/v1/comments/{comment}", NO, 204, who="bob"),
    Row("engagement", "POST", f"{STORY}/shares", NO, NO, who="bob", ticket=True),
    Row("engagement", "POST", "/v1/views", NO, NO, {"views": [{"ticket": "{ticket}"}]}, who="bob"),
    Row("engagement", "GET", "/v1/me/privacy", NO, 200, who="bob"),
    Row("engagement", "PUT", "/v1/me/privacy", NO, 200, {"view_history": True}, who="bob"),
    Row("engagement", "GET", "/v1/me/hidden-words", NO, 200),
    Row("engagement", "PUT", "/v1/me/hidden-words", NO, 200, {"words": ["never"]}),
    Row("expiry", "GET", f"{STORY}/receipt", NO, 404),
    Row("expiry", "GET", "/v1/admin/erasure", NO, 200),
    Row("expiry", "POST", "/v1/admin/users/{nobody}/erasure", NO, 202),
    Row("expiry", "GET", "/v1/admin/users/nobody-at-all/erasure", NO, 404),
]


@contextmanager
def down(fleet: Fleet, dependency: str, how: str) -> Iterator[None]:
    """A server that is killed and started again, or frozen for a while."""
    servers = fleet.servers
    server = {"mongodb": servers.mongod, "kafka": servers.kafka}[dependency]
    if how == "frozen":
        with servers.frozen(server):
            yield
        return
    servers.kill(server)
    try:
        yield
    finally:
        servers.start(server)


async def answered(fleet: Fleet, life: Life, row: Row) -> tuple[int, float, str]:
    """Status, seconds, and what is wrong with the form of the answer."""
    names = {**life.ids, "ann": life.ann, "ticket": life.tickets["read"], "nobody": f"nobody-{life.ann}"}
    user = life.ann if row.who == "ann" else life.bob
    request: dict[str, Any] = {"json": filled(row.body, names)} if row.body is not None else {}
    ticket = life.tickets["read"] if row.ticket else None
    began = time.monotonic()
    answer = await fleet.call(row.service, row.method, row.path.format(**names), user, ticket=ticket, **request)
    took = time.monotonic() - began
    wrong = ""
    if answer.status_code == NO:
        if answer.headers.get("content-type") != "application/problem+json":
            wrong = f"no problem document: {answer.text[:200]}"
        elif answer.json()["type"] != "urn:stories:unavailable" or int(answer.headers.get("retry-after", 0)) < 1:
            wrong = f"another problem: {answer.text[:200]} {dict(answer.headers)}"
    return answer.status_code, took, wrong


def filled(body: Any, names: dict[str, str]) -> Any:
    """A body with its names replaced."""
    if isinstance(body, dict):
        return {key: filled(value, names) for key, value in body.items()}
    if isinstance(body, list):
        return [filled(value, names) for value in body]
    return body.format(**names) if isinstance(body, str) else body


async def all_answered(fleet: Fleet, life: Life, rows: list[Row]) -> dict[str, tuple[int, float, str]]:
    """Ask everything, a few at a time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(row: Row) -> tuple[int, float, str]:
        async with gate:
            return await answered(fleet, life, row)

    answers = await asyncio.gather(*(one(row) for row in rows))
    return {f"{row.method} {row.path}": answer for row, answer in zip(rows, answers, strict=True)}


@pytest.mark.parametrize("how", ["frozen", "killed"])
@pytest.mark.parametrize("dependency", ["mongodb", "kafka"])
async def test_what_is_answered_while_a_server_is_down_and_after(
    fleet: Fleet, life: Life, dependency: str, how: str
) -> None:
    expected: Callable[[Row], int] = lambda row: getattr(row, dependency)  # noqa: E731
    pids = {service: process.pid for service, process in fleet.processes.items()}
    with down(fleet, dependency, how):
        await eventually(lambda: named(fleet, dependency), within_s=20)
        answers = await all_answered(fleet, life, ROWS)
        assert await fleet.alive() == dict.fromkeys(SERVICES, 200)
        wrong = {
            f"{row.method} {row.path}": (expected(row), found)
            for row, found in zip(ROWS, answers.values(), strict=True)
            if found[0] != expected(row) or found[1] > IN_TIME_S or found[2]
        }
        assert not wrong, wrong
    await fleet.ready(60)
    reads = [row for row in ROWS if row.method == "GET"]

    async def recovered() -> bool:
        again = await all_answered(fleet, life, reads)
        refused = {name: answer for name, answer in again.items() if answer[0] == NO}
        assert not refused, refused
        return True

    await eventually(recovered, within_s=30, every_s=0.5)
    assert {service: process.pid for service, process in fleet.processes.items() if process.poll() is None} == pids


async def named(fleet: Fleet, dependency: str) -> bool:
    """Whether every service says what it lacks: the index of the feed goes stale by itself, without being asked."""
    found = {service: await fleet.readiness(service) for service in SERVICES}
    for service in SERVICES:
        assert dependency in found[service]["problems"], found
        assert not found[service]["ready"]
    return True

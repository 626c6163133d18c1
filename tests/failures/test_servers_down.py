"""Each server down in each way: responses of every kind of route, their time, and recovery."""

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from stories_shared.events.cloudevents import SERVICES
from stories_shared.testing import Stopwatch, eventually

from .fleet import Fleet
from .scenario import Scenario

IN_TIME_S = 3.3
"""Three seconds by contract plus the overhead of the test; time in which the machine is overloaded is excluded."""
AT_ONCE = 12
NO = 503


@dataclass(frozen=True)
class Row:
    """One request, its response without faults, and other responses while a server is down.

    `done` is the response of a retry whose first attempt took effect although it failed.
    """

    service: str
    method: str
    path: str
    well: int
    body: Any = None
    who: str = "ann"
    ticket: bool = False
    done: int | None = None
    mongodb: int | None = NO
    kafka: int | None = None
    s3: int | None = None

    def expected(self, dependency: str) -> int:
        """The responses while this server is down."""
        found: int = getattr(self, dependency) or self.well
        return found


STORY = "/v1/stories/{read}"
ROWS = [
    Row("ingest", "GET", "/v1/config", 200, mongodb=None),
    Row("ingest", "GET", "/v1/me/stories", 200),
    Row("ingest", "GET", "/v1/me/stories/{read}", 200),
    Row("ingest", "GET", "/v1/me/quota", 200),
    Row("ingest", "POST", "/v1/stories", 201, {"media": {"content_type": "image/jpeg", "size": 100}}),
    Row("ingest", "POST", "/v1/stories/{unsent}/upload", 200),
    Row("ingest", "POST", "/v1/stories/{draft}/publish?wait=0", 202, s3=NO, done=200),
    Row("ingest", "POST", "/v1/stories/{cancelled}/cancel", 204, s3=NO),
    Row("ingest", "PATCH", STORY, 200, {"reactions": True}),
    Row("ingest", "PATCH", "/v1/stories/{narrowed}", 200, {"audience": "friends"}, kafka=NO),
    Row("ingest", "DELETE", "/v1/stories/{doomed}", 204, kafka=NO, s3=NO),
    Row("feed", "GET", "/v1/tray", 200, who="bob"),
    Row("feed", "GET", "/v1/rings?user_ids={ann}", 200, who="bob"),
    Row("feed", "GET", "/v1/users/{ann}/stories", 200, who="bob", kafka=NO),
    Row("feed", "GET", "/v1/reels?user_ids={ann}", 200, who="bob", kafka=NO),
    Row("feed", "GET", STORY, 200, who="bob", kafka=NO),
    Row("feed", "GET", "/v1/for-you", 200, who="bob", kafka=NO),
    Row("feed", "PUT", "/v1/users/{ann}/seen", 204, {"up_to": "{read}"}, who="bob"),
    Row("feed", "PUT", "/v1/following/cho", 204),
    Row("feed", "DELETE", "/v1/following/dee", 204),
    Row("feed", "PUT", "/v1/blocked/eve", 204, kafka=NO),
    Row("feed", "PUT", "/v1/muted/eve", 204),
    Row("feed", "PUT", "/v1/close-friends/cho", 204),
    Row("feed", "GET", "/v1/following", 200),
    Row("feed", "GET", "/v1/followers", 200),
    Row("engagement", "GET", f"{STORY}/viewers", 200, kafka=NO),
    Row("engagement", "GET", f"{STORY}/counts", 200, who="bob", ticket=True, kafka=NO),
    Row("engagement", "PUT", f"{STORY}/reaction", 204, {"emoji": "❤️"}, who="bob", ticket=True, kafka=NO),
    Row("engagement", "GET", f"{STORY}/reactions", 200, who="bob", ticket=True, kafka=NO),
    Row("engagement", "DELETE", f"{STORY}/reaction", 204, who="bob"),
    Row("engagement", "POST", f"{STORY}/comments", 201, {"text": "hi"}, who="bob", ticket=True, kafka=NO),
    Row("engagement", "GET", f"{STORY}/comments", 200, who="bob", ticket=True, kafka=NO),
    Row("engagement", "DELETE", "/v1/comments/{comment}", 204, who="bob", done=404),
    Row("engagement", "POST", f"{STORY}/shares", 201, who="bob", ticket=True, kafka=NO),
    Row("engagement", "POST", "/v1/views", 202, {"views": [{"ticket": "{ticket}"}]}, who="bob", kafka=NO),
    Row("engagement", "GET", "/v1/me/privacy", 200, who="bob"),
    Row("engagement", "PUT", "/v1/me/privacy", 200, {"view_history": True}, who="bob"),
    Row("engagement", "GET", "/v1/me/hidden-words", 200),
    Row("engagement", "PUT", "/v1/me/hidden-words", 200, {"words": ["never"]}),
    Row("expiry", "GET", f"{STORY}/receipt", 404),
    Row("expiry", "GET", "/v1/admin/erasure", 200),
    Row("expiry", "POST", "/v1/admin/users/{nobody}/erasure", 202),
    Row("expiry", "GET", "/v1/admin/users/nobody-at-all/erasure", 404),
]


@contextmanager
def down(fleet: Fleet, dependency: str, how: str) -> Iterator[None]:
    """A server that is killed and restarted, or frozen for a while."""
    servers = fleet.servers
    server = {"mongodb": servers.mongod, "kafka": servers.kafka, "s3": servers.s3}[dependency]
    if how == "frozen":
        with servers.frozen(server):
            yield
        return
    servers.kill(server)
    try:
        yield
    finally:
        servers.start(server)


async def answered(fleet: Fleet, scenario: Scenario, row: Row) -> tuple[int, float, str]:
    """Status, seconds, and errors in the form of the response."""
    names = {
        **scenario.ids,
        "ann": scenario.ann,
        "ticket": scenario.tickets["read"],
        "nobody": f"nobody-{scenario.ann}",
    }
    user = scenario.ann if row.who == "ann" else scenario.bob
    request: dict[str, Any] = {"json": filled(row.body, names)} if row.body is not None else {}
    ticket = scenario.tickets["read"] if row.ticket else None
    watch = Stopwatch(fleet.processes[row.service].pid)
    answer = await fleet.call(row.service, row.method, row.path.format(**names), user, ticket=ticket, **request)
    took = watch.seconds()
    wrong = ""
    if answer.status_code == NO:
        if answer.headers.get("content-type") != "application/problem+json":
            wrong = f"no problem document: {answer.text[:200]}"
        elif answer.json()["type"] != "urn:stories:unavailable" or int(answer.headers.get("retry-after", 0)) < 1:
            wrong = f"another problem: {answer.text[:200]} {dict(answer.headers)}"
    return answer.status_code, took, wrong


def filled(body: Any, names: dict[str, str]) -> Any:
    """A body with its placeholders replaced."""
    if isinstance(body, dict):
        return {key: filled(value, names) for key, value in body.items()}
    if isinstance(body, list):
        return [filled(value, names) for value in body]
    return body.format(**names) if isinstance(body, str) else body


async def all_answered(fleet: Fleet, scenario: Scenario, rows: Collection[Row]) -> list[tuple[Row, int, float, str]]:
    """Send all requests, a few at a time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(row: Row) -> tuple[Row, int, float, str]:
        async with gate:
            return row, *(await answered(fleet, scenario, row))

    return list(await asyncio.gather(*map(one, rows)))


@pytest.mark.parametrize("how", ["frozen", "killed"])
@pytest.mark.parametrize("dependency", ["mongodb", "kafka", "s3"])
async def test_requests_are_answered_in_time_during_an_outage_and_after_it(
    fleet: Fleet, scenario: Scenario, dependency: str, how: str
) -> None:
    pids = {service: process.pid for service, process in fleet.processes.items()}
    refused = [row for row in ROWS if row.expected(dependency) == NO]
    served = [row for row in ROWS if row.expected(dependency) != NO]
    with down(fleet, dependency, how):
        await eventually(lambda: named(fleet, dependency), within_s=20)
        answers = await all_answered(fleet, scenario, ROWS)
        assert await fleet.alive() == dict.fromkeys(SERVICES, 200)
        wrong = {
            f"{row.method} {row.path}": (status, took, form)
            for row, status, took, form in answers
            if took > IN_TIME_S or form or (row in refused and status != NO)
        }
        assert not wrong, wrong
        # On an overloaded machine a request may fail with Retry-After although the service is up.
        odd = [row for row, status, _, _ in answers if row in served and status != row.well]
        await wait_until_served(fleet, scenario, odd)
    await fleet.ready(60)
    await wait_until_served(fleet, scenario, [*refused, *(row for row in served if row.method == "GET")])
    await eventually(lambda: all_recovered(fleet), within_s=20)
    assert {service: process.pid for service, process in fleet.processes.items() if process.poll() is None} == pids


async def named(fleet: Fleet, dependency: str) -> bool:
    """Whether `/readyz` of each service names the missing server.

    Without MongoDB or Kafka no service is ready. Only ingest needs the object store, and most of it works without: it
    stays ready and reports the outage.
    """
    found = {service: await fleet.readiness(service) for service in SERVICES}
    if dependency == "s3":
        assert {service: found[service]["impaired"] for service in SERVICES} == {
            service: {"s3": "no answer"} if service == "ingest" else {} for service in SERVICES
        }
        assert all(found[service]["ready"] for service in SERVICES), found
        return True
    for service in SERVICES:
        assert dependency in found[service]["problems"], found
        assert not found[service]["ready"]
    return True


async def wait_until_served(fleet: Fleet, scenario: Scenario, rows: Collection[Row]) -> None:
    """Retry each request until it is answered as without faults."""
    left = list(rows)

    async def so() -> bool:
        answers = await all_answered(fleet, scenario, left)
        left[:] = [row for row, status, _, _ in answers if status not in (row.well, row.done)]
        assert not left, [(row.path, status) for row, status, _, _ in answers if row in left]
        return True

    await eventually(so, within_s=30, every_s=0.5)


async def all_recovered(fleet: Fleet) -> bool:
    """Whether no service reports a missing dependency."""
    found = {service: await fleet.readiness(service) for service in SERVICES}
    assert all(state["ready"] and not state["impaired"] for state in found.values()), found
    return True

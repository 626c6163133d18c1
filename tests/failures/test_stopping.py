"""Graceful shutdown under load: in time, exit code 0, no aborted request, no repeated work."""

import asyncio
import secrets
from pathlib import Path

import httpx
import pytest
from stories_embedded.testing import IsolatedNamespace
from stories_shared.testing import eventually

from .fleet import Fleet
from .loads import LOADS, Load
from .scenario import PHOTO

STOP_SECONDS = 10.0
CLIENTS = 6
PAUSE_S = 0.02


class ContinuousWriters:
    """Clients that write continuously, each request for a new user, until connections are refused."""

    def __init__(self, fleet: Fleet, load: Load) -> None:
        self.fleet = fleet
        self.load = load
        self.answered: dict[str, int] = {}
        self.unanswered: dict[str, str] = {}

    async def write_continuously(self) -> None:
        """One client on a keep-alive connection."""
        async with httpx.AsyncClient(timeout=20, trust_env=False) as http:
            while True:
                user = f"user-{secrets.token_hex(8)}"
                try:
                    answer = await self.load.write(self.fleet, user, http)
                except httpx.ConnectError:
                    return
                except httpx.HTTPError as error:
                    self.unanswered[user] = f"{type(error).__name__}: {error}"
                else:
                    self.answered[user] = answer.status_code
                await asyncio.sleep(PAUSE_S)

    async def no_request_was_aborted(self) -> None:
        """Every request got a complete response; one without a response has not taken effect."""
        assert max(self.answered.values()) < 500
        for user, error in self.unanswered.items():
            assert "complete message" not in error, error
            assert not await self.load.written(self.fleet, user), error
        for user in list(self.answered)[-CLIENTS:]:
            assert await self.load.written(self.fleet, user)


@pytest.mark.parametrize("service", LOADS)
async def test_service_under_load_stops_in_time_without_repeating_work(
    namespace: IsolatedNamespace, tmp_path: Path, service: str
) -> None:
    async with Fleet(namespace, tmp_path, [service]).running() as fleet, LOADS[service].on(fleet) as load:
        writers = ContinuousWriters(fleet, load)
        clients = [asyncio.create_task(writers.write_continuously()) for _ in range(CLIENTS)]
        await eventually(lambda: len(writers.answered) > CLIENTS)
        publishing = asyncio.create_task(load.publish())
        await eventually(load.under_way, within_s=60)
        code, took = await fleet.stop(service)
        assert code == 0
        assert took < STOP_SECONDS
        await asyncio.gather(publishing, *clients)

        acknowledged = await load.acknowledged()
        assert acknowledged == positions(fleet, load)
        done = await load.done()
        assert len(done) == sum(acknowledged.values()) < load.count

        fleet.start(service)
        await fleet.ready(60)
        await writers.no_request_was_aborted()
        await eventually(lambda: all_handled_once(load, len(done)), within_s=90, every_s=0.2)
        assert len(await load.done()) == load.count


async def all_handled_once(load: Load, before: int) -> bool:
    """Whether this process has committed the rest of the topic and processed each record once."""
    end = await load.end()
    acknowledged = await load.acknowledged()
    handled = await load.handled()
    assert sum(acknowledged.values()) == end == await load.end(), "more records arrived meanwhile"
    assert handled == end - before
    return True


def positions(fleet: Fleet, load: Load) -> dict[int, int]:
    """The offsets that the process logged when it stopped."""
    (last,) = fleet.logged(load.service, "stopped")
    places = {place.rpartition("/"): at for place, at in last["handled"].items()}
    return {int(partition): at for (group, _, partition), at in places.items() if group == load.group}


async def test_waiting_publish_request_is_answered_on_shutdown(namespace: IsolatedNamespace, tmp_path: Path) -> None:
    async with Fleet(namespace, tmp_path, ["ingest"]).running() as fleet:
        await fleet.stop("ingest")
        fleet.start("ingest", ROLE="api")  # without workers no media job ever finishes
        await fleet.ready(60)
        fields = {"media": {"content_type": "image/jpeg", "size": len(PHOTO)}}
        draft = (await fleet.done("ingest", "POST", "/v1/stories", "ann", json=fields)).json()
        form = draft["upload"]
        (await fleet.http.post(form["url"], data=form["fields"], files={"file": ("f", PHOTO)})).raise_for_status()
        path = f"/v1/stories/{draft['id']}"
        waiting = [
            asyncio.create_task(fleet.call("ingest", "POST", f"{path}/publish?wait=30", "ann")) for _ in range(3)
        ]

        async def all_waiting() -> bool:
            story = (await fleet.call("ingest", "GET", f"/v1/me/stories/{draft['id']}", "ann")).json()
            assert story["state"] == "processing", story
            return "stories_http_requests_in_flight 3.0" in await fleet.metrics("ingest")

        await eventually(all_waiting, within_s=20)
        code, took = await fleet.stop("ingest")
        answers = await asyncio.gather(*waiting)
        assert [answer.status_code for answer in answers] == [202] * 3
        assert [answer.json()["state"] for answer in answers] == ["processing"] * 3
        assert (code, took < STOP_SECONDS / 2) == (0, True), took

"""A process with a stalled task exits; one that was frozen, or that waits for a server, does not."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from stories_embedded.ports import free_port
from stories_shared.events import StoryErased
from stories_shared.events.ids import new_id
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.publisher import Publisher
from stories_shared.kafka.topics import Topics, ensure_topics
from stories_shared.runtime.settings import Settings
from stories_shared.runtime.watchdog import BLOCKED_AFTER_S, EXIT_CODE, STALLED_FOR_S, STOP_TIMEOUT_S, Watchdog
from stories_shared.testing import eventually

PROGRAM = Path(__file__).parent / "stalling_process.py"


class Running:
    """The process, its port and its log."""

    def __init__(self, namespace, what: str, log: Path) -> None:
        self.port, self.log = free_port(set()), log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, str(PROGRAM), what],
                env={**os.environ, **namespace, "PORT": str(self.port)},
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    async def answers(self, path: str, status: int = 200) -> bool:
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=3) as client:
                return (await client.get(path)).status_code == status
        except httpx.HTTPError:
            return False

    def logged(self, event: str) -> list[dict]:
        lines = [line for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in map(json.loads, lines) if line.get("event") == event]


@pytest.fixture
async def publisher(namespace):
    settings = Settings(**{name.lower(): value for name, value in namespace.items()})
    kafka = Kafka.of(settings)
    await ensure_topics(kafka, Topics.for_settings(settings).of_service("expiry"), 3, 1)
    made = Publisher(kafka, "feed")
    await made.start()
    yield made
    await made.stop()


@asynccontextmanager
async def running(namespace, what: str, tmp_path: Path):
    found = Running(namespace, what, tmp_path / "log")
    try:
        await eventually(lambda: found.answers("/readyz"), within_s=60, every_s=0.2)
        yield found
    finally:
        found.process.kill()
        found.process.wait()


async def publish(publisher: Publisher, times: int = 1) -> None:
    for _ in range(times):
        await publisher.publish(StoryErased(story_id=new_id(), store="feed", erased_at=datetime.now(UTC)))


@pytest.mark.servers
@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("polling", "stalled: consumer"),
        ("handler", "stalled: consumer"),
        ("sweep", "stalled: sweep"),
        ("event loop", "the event loop is blocked"),
    ],
)
async def test_stalled_task_is_named_and_the_process_exits(namespace, publisher, tmp_path, what, reason):
    async with running(namespace, what, tmp_path) as stalled:
        await publish(publisher)

        async def ended() -> bool:
            await publish(publisher)  # there is something to read at any time
            return stalled.process.poll() is not None

        await eventually(ended, within_s=60, every_s=0.3)
        assert stalled.process.returncode == EXIT_CODE
        (last,) = stalled.logged("watchdog_exit")
        assert last["reason"].startswith(reason)
        assert last["exit_code"] == EXIT_CODE


@pytest.mark.servers
async def test_frozen_process_or_unavailable_kafka_does_not_exit(namespace, servers, publisher, tmp_path):
    async with running(namespace, "nothing", tmp_path) as healthy:
        await publish(publisher, 20)
        for process in (healthy.process, servers.process(servers.kafka)):
            process.send_signal(signal.SIGSTOP)
            try:
                for _ in range(40):
                    assert healthy.process.poll() is None
                    await asyncio.sleep(0.2)
            finally:
                process.send_signal(signal.SIGCONT)
            await eventually(lambda: healthy.answers("/livez"))
            await eventually(lambda: healthy.answers("/readyz"), within_s=60)
        await publish(publisher)
        assert healthy.process.poll() is None
        healthy.process.terminate()
        assert await asyncio.to_thread(healthy.process.wait, STOP_TIMEOUT_S + 1) == 0
        assert healthy.logged("stopped")


def test_blocked_event_loop_differs_from_a_frozen_process():
    watchdog = Watchdog()
    at = time.monotonic()
    verdicts = [watchdog.check(at + n / 2) for n in range(2 * int(BLOCKED_AFTER_S))]
    assert set(verdicts) == {None}
    assert "blocked" in (watchdog.check(at + BLOCKED_AFTER_S + 1) or "")
    thawed = at + 3600
    assert watchdog.check(thawed) is None
    assert watchdog.check(thawed + BLOCKED_AFTER_S / 10) is None


def test_stall_must_persist_and_has_a_grace_period_after_a_freeze():
    watchdog = Watchdog()
    at = time.monotonic()

    def check(after: float, *stalled: str) -> str | None:
        watchdog.report(stalled)
        return watchdog.check(at + after)

    assert check(0, "relay") is None
    assert check(3) is None
    assert [check(n, "relay") for n in range(4, 4 + int(STALLED_FOR_S))] == [None] * int(STALLED_FOR_S)
    assert check(5 + STALLED_FOR_S, "relay") == "stalled: relay"
    assert check(1000, "relay") is None
    assert watchdog.stalled == ()


def test_shutdown_has_a_deadline():
    watchdog = Watchdog()
    watchdog.begin_shutdown()
    at = time.monotonic()
    assert watchdog.check(at + STOP_TIMEOUT_S - 0.5) is None
    assert "the stop" in (watchdog.check(at + STOP_TIMEOUT_S + 0.5) or "")

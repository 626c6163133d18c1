"""The cost of requests to the feed's hot routes, compared with a constant response of the same bytes in the same run.

    python services/feed/benchmarks/hot_routes.py [--follows 50,200,1000,5000] [--granian PROGRAM] [NAME …]

It starts its own Kafka, mongod and object store, one feed process, and a bare ASGI application under granian (if its
program is given or found) or uvicorn. wrk loads them in turn over 32 connections as 64 viewers. Two ratios are printed
for each route: requests per second, which other work on the machine disturbs, and CPU time per request, which it hardly
disturbs.
"""

import argparse
import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from stories_embedded.ports import free_port
from stories_embedded.testing import Realm, Servers
from stories_feed import store
from stories_feed.app import init
from stories_feed.domain.edges import EdgeChange, EdgeKey, EdgeSet, Kind
from stories_feed.settings import FeedSettings
from stories_feed.store.edges import MongoEdges
from stories_feed.testing.builders import posted
from stories_shared.clock import system_now
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.publisher import Publisher
from stories_shared.mongo.client import Mongo
from stories_shared.runtime.settings import load

VIEWERS, CONNECTIONS, RINGS = 64, 32, 10
BARE = """
from pathlib import Path
BODY = Path({file!r}).read_bytes()
START = {{"type": "http.response.start", "status": 200,
         "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]}}
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await send(START)
    await send({{"type": "http.response.body", "body": BODY}})
"""
SCRIPT = """
local tokens = {{{tokens}}}
local number = 0
request = function()
  number = number + 1
  return wrk.format("GET", nil, {{["Authorization"] = "Bearer " .. tokens[number % #tokens + 1]}})
end
"""


@dataclass
class Load:
    """Results of wrk, and the server's CPU time."""

    a_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    failed: int


class Process:
    """A server process and its children."""

    def __init__(self, command: list[str], port: int, environment: dict[str, str] | None = None) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.popen = subprocess.Popen(command, env={**os.environ, **(environment or {})}, stdout=subprocess.DEVNULL)
        self.idle = 0.0

    def cpu_s(self) -> float:
        """Processor time used so far, in seconds."""
        found = psutil.Process(self.popen.pid)
        times = [each.cpu_times() for each in (found, *found.children(recursive=True))]
        return sum(each.user + each.system for each in times)

    def measure_idle(self, seconds: float = 5) -> None:
        """Measure its idle CPU usage, which is subtracted from the cost of requests."""
        before = self.cpu_s()
        time.sleep(seconds)
        self.idle = (self.cpu_s() - before) / seconds

    def load(self, path: str, seconds: int, script: Path) -> Load:
        """Load it with wrk."""
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(script), self.url + path]
        before, began = self.cpu_s(), time.monotonic()
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        used = self.cpu_s() - before - self.idle * (time.monotonic() - began)
        requests = int(re.search(r"(\d+) requests in", output)[1])  # type: ignore[index]
        if not requests:
            raise RuntimeError(output)
        failed = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
        return Load(
            float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1]),  # type: ignore[index]
            *(milliseconds(re.search(rf"{share}%\s+([\d.]+)(us|ms|s)\b", output)) for share in (50, 99)),
            used / requests * 1e6,
            int(failed[1]) if failed else 0,
        )

    def stop(self) -> None:
        """Terminate it."""
        self.popen.terminate()
        try:
            self.popen.wait(15)
        except subprocess.TimeoutExpired:
            self.popen.kill()


def milliseconds(found: re.Match[str] | None) -> float:
    """A time in wrk's format, in milliseconds."""
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]] if found else float("nan")


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 90) -> None:
    """Poll until it is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.1)


def get(url: str, token: str = "") -> bytes | None:
    """The body, or None if the status is not 200."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return bytes(answer.read())
    except (urllib.error.URLError, OSError):
        return None


async def prepare(realm: Realm, settings: FeedSettings, follows: list[int]) -> str:
    """Live authors, viewers with follows, and the id of one story."""
    await init(settings)
    mongo = Mongo.connect(realm["MONGO_URL"], realm["MONGO_DATABASE"])
    await store.ensure(mongo)
    edges, now = MongoEdges(mongo, system_now), system_now()
    viewers = [(count, f"v{count}-{number}") for count in follows for number in range(VIEWERS)]
    keys = [EdgeKey(Kind.FOLLOW, viewer, f"live{n}") for _, viewer in viewers for n in range(RINGS)]
    for start in range(0, len(keys), 500):

        def update(graph: EdgeSet, keys: list[EdgeKey] = keys[start : start + 500]) -> None:
            for key in keys:
                graph.apply(key, EdgeChange(on=True, at=now))

        await edges.change(keys[start : start + 500], update, publish=False)
    # Authors without stories need no edges: a tray reads the follow list only.
    for count, viewer in viewers:
        others = [f"other{n}" for n in range(count - RINGS)]
        await mongo["choices"].update_one({"_id": viewer}, {"$push": {"following": {"$each": others}}})
    await mongo.close()
    kafka = Kafka.of(settings)
    ingest = Publisher(kafka, "ingest")
    await ingest.start()
    caption, layers = "first light", ({"kind": "text", "id": "l1", "text": "hello", "x": 0.5, "y": 0.5},)
    stories = [posted(f"live{n}", now - timedelta(minutes=n), caption=caption, layers=layers) for n in range(RINGS)]
    await ingest.publish_all([OutgoingEvent(story) for story in stories])
    await ingest.stop()
    return stories[0].story_id


@contextmanager
def servers() -> Iterator[Servers]:
    """Real servers in a temporary directory."""
    folder = Path(tempfile.mkdtemp(prefix="stories-bench-"))
    running = Servers(folder)
    try:
        running.start_all()
        yield running
    finally:
        running.stop_all()
        shutil.rmtree(folder, ignore_errors=True)


def routes(follows: list[int], story_id: str) -> dict[str, tuple[str, str]]:
    """Path and viewers by name."""
    authors = ",".join(f"live{n}" for n in range(RINGS))
    users = f"v{follows[0]}"
    found = {f"tray-{count}": ("/v1/tray", f"v{count}") for count in follows}
    return found | {
        "rings-10": (f"/v1/rings?user_ids={authors}", users),
        "reel": ("/v1/users/live0/stories", users),
        "story": (f"/v1/stories/{story_id}", users),
        "reels-10": (f"/v1/reels?user_ids={authors}", users),
        "for-you-10": ("/v1/for-you?limit=10", users),
    }


def bare_command(granian: str | None, folder: Path, port: int) -> list[str]:
    """The command that serves the constant response."""
    if granian:
        return [
            granian,
            "--interface",
            "asgi",
            "--no-ws",
            "--port",
            str(port),
            "--working-dir",
            str(folder),
            "bare:app",
        ]
    uvicorn = [
        "-m",
        "uvicorn",
        "--log-level",
        "error",
        "--no-access-log",
        "--port",
        str(port),
        "--app-dir",
        str(folder),
    ]
    return [sys.executable, *uvicorn, "bare:app"]


def measure(given: argparse.Namespace, feed: Process, running: Servers, story_id: str) -> None:
    """Load each route in turn, and its constant response."""
    folder = Path(tempfile.mkdtemp(prefix="stories-bare-"))
    print(
        f"{'route':12} {'req/s':>8} {'p50':>7} {'p99':>7} {'cpu us':>7}"
        f" {'bare/s':>8} {'cpu us':>7} {'ratio':>6} {'cpu':>6}"
    )
    for name, (path, viewers) in routes(given.follows, story_id).items():
        if given.names and name not in given.names:
            continue
        tokens = [running.token(f"{viewers}-{n}") for n in range(VIEWERS)]
        script = folder / "viewers.lua"
        script.write_text(SCRIPT.format(tokens=",".join(f'"{token}"' for token in tokens)))
        body = get(feed.url + path, tokens[0])
        if body is None:
            raise RuntimeError(f"{path} does not answer")
        (folder / "body").write_bytes(body)
        (folder / "bare.py").write_text(BARE.format(file=str(folder / "body")))
        port = free_port(set())
        bare = Process(bare_command(given.granian, folder, port), port)
        try:
            wait_until(lambda bare=bare: get(bare.url + "/") is not None, "the bare application does not answer")
            for server in (feed, bare):
                server.load(path, 2, script)
            rounds: list[tuple[Load, Load]] = [
                (feed.load(path, given.seconds, script), bare.load(path, given.seconds, script))
                for _ in range(given.rounds)
            ]
        finally:
            bare.stop()
        if failed := sum(ours.failed for ours, _ in rounds):
            raise RuntimeError(f"{failed} answers of {path} were no 200")
        ours, constant = (
            {
                "a_second": median(each[side].a_second for each in rounds),
                "cpu_us": min(each[side].cpu_us for each in rounds),  # the least disturbed round
            }
            for side in (0, 1)
        )
        p50, p99 = (median(getattr(each, field) for each, _ in rounds) for field in ("p50_ms", "p99_ms"))
        print(
            f"{name:12} {ours['a_second']:8.0f} {p50:7.1f} {p99:7.1f} {ours['cpu_us']:7.0f}"
            f" {constant['a_second']:8.0f} {constant['cpu_us']:7.0f}"
            f" {ours['a_second'] / constant['a_second']:6.3f} {constant['cpu_us'] / ours['cpu_us']:6.3f}",
            flush=True,
        )
    shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Measure and print the results."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=int, default=4)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--follows", type=lambda text: [int(each) for each in text.split(",")], default=[200])
    arguments.add_argument("--granian", default=shutil.which("granian"), help="granian's program")
    arguments.add_argument("--spy", help="py-spy's program: record the feed meanwhile into profile.txt")
    arguments.add_argument("names", nargs="*", help="only these routes")
    given = arguments.parse_args()
    with servers() as running:
        realm = Realm(running)
        port = free_port(set())
        overrides: dict[str, Any] = {"LIMIT_READS": "100000000", "PORT": str(port), "HOST": "127.0.0.1"}
        environment = {**realm, **overrides}
        settings = load(FeedSettings, {name.lower(): value for name, value in environment.items()})
        story_id = asyncio.run(prepare(realm, settings, given.follows))
        feed = Process([sys.executable, "-m", "stories_feed"], port, {**environment, "LOG_LEVEL": "WARNING"})
        try:
            url, token = f"{feed.url}/v1/stories/{story_id}", running.token("somebody")
            wait_until(lambda: get(f"{feed.url}/readyz") is not None, "the feed is not ready")
            wait_until(lambda: get(url, token) is not None, "no story appears")
            if given.spy:
                spy = [given.spy, "record", "-p", str(feed.popen.pid), "-r", "200", "-d", "25", "-f", "raw"]
                subprocess.Popen([*spy, "-o", "profile.txt"])
            feed.measure_idle()
            print(f"the feed alone uses {feed.idle:.1%} of a core")
            measure(given, feed, running, story_id)
        finally:
            feed.stop()


if __name__ == "__main__":
    main()

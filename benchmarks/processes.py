"""Processes under measurement: their CPU time, memory and addresses."""

import asyncio
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil
from stories_embedded.ports import free_port
from stories_shared.testing import eventually

READY_S = 90.0


@dataclass
class Process:
    """A started server process."""

    popen: "subprocess.Popen[bytes]"
    url: str = ""
    idle: float = 0.0
    """The share of a core that it uses without requests."""

    @classmethod
    def none(cls) -> "Process":
        """One that has ended already."""
        popen = subprocess.Popen([sys.executable, "-c", ""])
        popen.wait()
        return cls(popen)

    def cpu_s(self) -> float:
        """CPU time of the process and its children so far, in seconds."""
        found = psutil.Process(self.popen.pid)
        times = [each.cpu_times() for each in (found, *found.children(recursive=True))]
        return float(sum(each.user + each.system for each in times))

    def busy_s(self) -> float:
        """The same without what it uses idle: only the difference of two counts."""
        return self.cpu_s() - self.idle * time.monotonic()

    async def ready(self, path: str = "/readyz", within_s: float = READY_S) -> None:
        """Wait until it answers with 200."""
        await eventually(lambda: get(self.url + path) is not None, within_s)

    def memory_mb(self) -> float:
        """Resident memory."""
        return float(psutil.Process(self.popen.pid).memory_info().rss) / 2**20

    async def measure_idle(self, seconds: float) -> float:
        """Measure its idle CPU use, which is then subtracted from the cost of requests."""
        before = self.cpu_s()
        await asyncio.sleep(seconds)
        self.idle = (self.cpu_s() - before) / seconds
        return self.idle

    def stop(self) -> None:
        """Terminate it."""
        self.popen.terminate()
        try:
            self.popen.wait(15)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


def start(command: Sequence[str], environment: Mapping[str, str] | None = None, port: int = 0) -> Process:
    """Start a server that listens on a loopback port."""
    popen = subprocess.Popen(command, env={**os.environ, **(environment or {})}, stdout=subprocess.DEVNULL)
    return Process(popen, f"http://127.0.0.1:{port}" if port else "")


def start_service(service: str, settings: Mapping[str, str]) -> Process:
    """Start a service on a free port, without waiting for it."""
    port = free_port(set())
    environment = {**settings, "PORT": str(port), "HOST": "127.0.0.1", "LOG_LEVEL": "WARNING"}
    return start([sys.executable, "-m", f"stories_{service}"], environment, port)


def get(url: str, token: str = "") -> bytes | None:
    """The body, or None if the status is not 200."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return bytes(answer.read())
    except (urllib.error.URLError, OSError):
        return None

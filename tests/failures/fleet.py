"""Services as processes on the servers of the session, so that each process and server can be stopped."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import httpx
from stories_embedded.ports import free_port
from stories_embedded.processes import spawn
from stories_embedded.testing import IsolatedNamespace
from stories_shared.events.cloudevents import SERVICES
from stories_shared.runtime.settings import load
from stories_shared.testing import eventually

SETTINGS = {f"LIMIT_{name}": "1000000" for name in ("READS", "EDGES", "CREATE", "WRITES", "VIEWS")}
START_SECONDS = 90.0


class Fleet:
    """One process of each service, or of some services."""

    def __init__(self, namespace: IsolatedNamespace, folder: Path, services: Sequence[str] = SERVICES) -> None:
        self.namespace = namespace
        self.services = services
        self.servers = namespace.servers
        self.folder = folder
        taken: set[int] = set()
        self.ports = {service: free_port(taken) for service in services}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.http = httpx.AsyncClient(timeout=20, trust_env=False)

    def environment(self, service: str) -> dict[str, str]:
        """The settings of one service."""
        own = {"MONGO_DATABASE": self.database(service), "PORT": str(self.ports[service])}
        return {**self.namespace, **SETTINGS, **own}

    def init_environment(self, service: str) -> dict[str, str]:
        """The settings with which one service creates what it needs."""
        return {**self.namespace, "MONGO_DATABASE": self.database(service)}

    def database(self, service: str) -> str:
        """The database of one service."""
        return f"{self.namespace.name}_{service}"

    async def prepare(self) -> None:
        """Create topics, bucket and indexes."""
        for service in self.services:
            given = {name.lower(): value for name, value in self.init_environment(service).items()}
            module = import_module(f"stories_{service}.settings")
            settings: Any = load(getattr(module, f"{service.title()}Settings"), given)
            await import_module(f"stories_{service}.app").init(settings)

    def start(self, service: str, **settings: str) -> None:
        """Start one process without waiting for it, optionally with further settings."""
        self.processes[service] = spawn(
            [sys.executable, "-m", f"stories_{service}"],
            self.log(service),
            {**os.environ, **self.environment(service), **settings},
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Everything prepared and ready inside the block, and killed after it."""
        try:
            await self.prepare()
            await self.start_all()
            yield self
        finally:
            self.kill_all()
            await self.http.aclose()

    async def start_all(self) -> None:
        """Start all processes and wait until they are ready."""
        for service in self.services:
            self.start(service)
        await self.ready(START_SECONDS)

    async def ready(self, within_s: float) -> None:
        """Wait until every process is ready."""

        async def so() -> bool:
            problems = {service: await self.readiness(service) for service in self.services}
            assert all(found and found["ready"] for found in problems.values()), problems
            return True

        await eventually(so, within_s=within_s, every_s=0.2)

    async def readiness(self, service: str) -> dict[str, Any]:
        """The readiness response of a process."""
        try:
            found: dict[str, Any] = (await self.http.get(f"{self.url(service)}/readyz")).json()
        except httpx.HTTPError as error:
            return {"ready": False, "problems": {"process": type(error).__name__}}
        return found

    async def alive(self) -> dict[str, int]:
        """The liveness response of each process."""
        answers = await asyncio.gather(*(self.http.get(f"{self.url(service)}/livez") for service in self.services))
        return {service: answer.status_code for service, answer in zip(self.services, answers, strict=True)}

    async def metrics(self, service: str) -> str:
        """The metrics page of a process."""
        return (await self.http.get(f"{self.url(service)}/metrics")).text

    async def stop(self, service: str) -> tuple[int, float]:
        """Send SIGTERM; returns the exit code and the seconds until it."""
        process, began = self.processes[service], time.monotonic()
        process.terminate()
        code = await asyncio.to_thread(process.wait, 20)
        return code, time.monotonic() - began

    def log(self, service: str) -> Path:
        """The log file of a process."""
        return self.folder / f"{service}.log"

    def logged(self, service: str, event: str) -> list[dict[str, Any]]:
        """The log lines of a process with one event name."""
        lines = [json.loads(line) for line in self.log(service).read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == event]

    def url(self, service: str) -> str:
        """The URL of a process."""
        return f"http://127.0.0.1:{self.ports[service]}"

    def kill_all(self) -> None:
        """Kill all processes."""
        for process in self.processes.values():
            process.kill()
            process.wait()

    async def call(
        self,
        service: str,
        method: str,
        path: str,
        user: str,
        *,
        ticket: str | None = None,
        http: httpx.AsyncClient | None = None,
        **request: Any,
    ) -> httpx.Response:
        """A request of a user, without the gateway."""
        roles = ["admin"] if path.startswith("/v1/admin/") else []
        headers = {"Authorization": f"Bearer {self.servers.token(user, roles=roles)}"}
        if ticket:
            headers["Story-Ticket"] = ticket
        return await (http or self.http).request(method, f"{self.url(service)}{path}", headers=headers, **request)

    async def done(self, service: str, method: str, path: str, user: str, **request: Any) -> httpx.Response:
        """A request that succeeds; retried as `Retry-After` says."""

        async def so() -> httpx.Response:
            answer = await self.call(service, method, path, user, **request)
            assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
            return answer

        answer: httpx.Response = await eventually(so, within_s=30, every_s=0.2)
        return answer

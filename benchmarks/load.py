"""HTTP load from a process of its own: wrk where it is installed, else the bundled client."""

import asyncio
import json
import re
import shutil
import sys
import tempfile
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from .processes import Process
from .results import Sample

CONNECTIONS = 32
LONGER = 10
WRK = shutil.which("wrk")
SCRIPT = """
local tokens = {{{tokens}}}
local number = 0
request = function()
  number = number + 1
  return wrk.format("GET", nil, {{["Authorization"] = "Bearer " .. tokens[number % #tokens + 1]}})
end
"""


class LoadFailed(Exception):
    """Responses had another status than the expected one, or there were none."""


async def get_load(process: Process, path: str, tokens: Sequence[str], seconds: int) -> Sample:
    """GETs of one path over 32 connections, by these callers in turn."""
    if WRK is None:
        return await client_load(process, [request(process, "GET", path, token) for token in tokens], seconds)
    try:
        return await wrk_load(WRK, process, path, tokens, seconds)
    except LoadFailed:  # a process that has just started, on a busy machine
        return await wrk_load(WRK, process, path, tokens, LONGER * seconds)


async def wrk_load(program: str, process: Process, path: str, tokens: Sequence[str], seconds: int) -> Sample:
    """GETs by wrk. Raises LoadFailed."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT.format(tokens=",".join(f'"{token}"' for token in tokens)))
        script.flush()
        options = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", script.name]
        before = process.busy_s()
        output = await output_of([program, *options, process.url + path])
        used = process.busy_s() - before
    return sample_of_wrk(output, used)


def sample_of_wrk(output: str, cpu_s: float) -> Sample:
    """The sample in wrk's output. Raises LoadFailed."""
    requests = re.search(r"(\d+) requests in", output)
    if not requests or not int(requests[1]) or "Non-2xx" in output or "Socket errors" in output:
        raise LoadFailed(output)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    p50, p99 = (re.search(rf"{share}%\s+([\d.]+)(us|ms|s)\b", output) for share in (50, 99))
    if rate is None or p50 is None or p99 is None:
        raise LoadFailed(output)
    return Sample(float(rate[1]), cpu_s / int(requests[1]) * 1e6, milliseconds(p50), milliseconds(p99))


def milliseconds(found: re.Match[str]) -> float:
    """A time in wrk's format."""
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]


async def client_load(
    process: Process,
    requests: Sequence[bytes],
    seconds: float,
    *,
    connections: int = CONNECTIONS,
    rate: float | None = None,
) -> Sample:
    """Load by the bundled client; with ``rate``, so many requests a second and no more.

    Latencies at a given rate count from when a request was due, so that a slow server cannot hide behind a slow client.
    """
    with client_command(process, requests, seconds, connections, rate) as command:
        before = process.busy_s()
        found = json.loads(await output_of(command))
        used = process.busy_s() - before
    if found["failed"] or not found["requests"]:
        raise LoadFailed(f"{found}")
    return Sample(found["rate"], used / found["requests"] * 1e6, found["p50_ms"], found["p99_ms"])


@contextmanager
def client_command(
    process: Process, requests: Sequence[bytes], seconds: float, connections: int, rate: float | None
) -> Iterator[list[str]]:
    """The command of the bundled client with these requests."""
    parts = urlsplit(process.url)
    spec = {
        "host": parts.hostname,
        "port": parts.port,
        "requests": [b64encode(request).decode() for request in requests],
        "connections": connections,
        "seconds": seconds,
        "rate": rate,
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(spec, file)
        file.flush()
        yield [sys.executable, str(Path(__file__).with_name("client.py")), file.name]


@asynccontextmanager
async def under_load(process: Process, requests: Sequence[bytes], rate: float) -> AsyncIterator[None]:
    """So many requests a second inside the block. Raises LoadFailed if one of them failed."""
    with client_command(process, requests, 3_600, CONNECTIONS, rate) as command:
        running = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        try:
            yield
        finally:
            running.terminate()
            output, _ = await running.communicate()
    if not output or json.loads(output)["failed"]:
        raise LoadFailed(output.decode() or "the client ended before it began")


def request(process: Process, method: str, path: str, token: str, body: bytes = b"", **headers: str) -> bytes:
    """A prepared request; `headers` are written with underscores."""
    given = {"Host": urlsplit(process.url).netloc, "Authorization": f"Bearer {token}"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    given |= {"Content-Type": "application/json", "Content-Length": str(len(body))} if body else {}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def output_of(command: Sequence[str]) -> str:
    """The standard output of a command. Raises LoadFailed."""
    running = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await running.communicate()
    if running.returncode:
        raise LoadFailed(f"{command[0]} ended with {running.returncode}")
    return output.decode()

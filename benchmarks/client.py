"""The bundled HTTP client: keep-alive connections over loopback, prepared requests, one process.

    python benchmarks/client.py SPEC.json

It prints JSON. In each request every `UNIQUE` becomes a number of the same length that is never used again.
"""

import asyncio
import json
import math
import signal
import sys
import time
from base64 import b64decode
from statistics import quantiles
from typing import Any

import uvloop

UNIQUE = b"@" * 16


class Client:
    """Counts responses and their latencies until the time is over."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.parts = [b64decode(request).split(UNIQUE) for request in spec["requests"]]
        self.number = time.time_ns() // 1000
        self.sent = 0
        self.latencies: list[float] = []
        self.failed = 0
        self.ends = math.inf

    def next_request(self) -> bytes:
        """The next request, with unique numbers filled in."""
        parts = self.parts[self.sent % len(self.parts)]
        self.sent += 1
        if len(parts) == 1:
            return parts[0]
        whole = [parts[0]]
        for part in parts[1:]:
            self.number += 1
            whole += [b"%016d" % self.number, part]
        return b"".join(whole)

    async def connection(self, began: float, first: int) -> None:
        """Send requests over one connection, at the given rate if there is one."""
        reader, writer = await asyncio.open_connection(self.spec["host"], self.spec["port"])
        share = self.spec["rate"] / self.spec["connections"] if self.spec["rate"] else None
        turn = 0
        while time.perf_counter() < self.ends:
            sent_at = time.perf_counter()
            if share:
                sent_at = began + (turn + first / self.spec["connections"]) / share
                if sent_at >= self.ends:
                    break
                await asyncio.sleep(max(0.0, sent_at - time.perf_counter()))
                turn += 1
            writer.write(self.next_request())
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)  # none with 204
            await reader.readexactly(length)
            self.latencies.append((time.perf_counter() - sent_at) * 1000)
            self.failed += not head.startswith(b"HTTP/1.1 2")
        writer.close()

    def end(self) -> None:
        """Send no further requests."""
        self.ends = 0.0

    async def run(self) -> dict[str, Any]:
        """Load the server, and return the figures."""
        began = time.perf_counter()
        self.ends = began + self.spec["seconds"]
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.end)
        await asyncio.gather(*(self.connection(began, number) for number in range(self.spec["connections"])))
        took = time.perf_counter() - began
        cuts = quantiles(self.latencies, n=100) if len(self.latencies) > 1 else [0.0] * 99
        return {
            "requests": len(self.latencies),
            "failed": self.failed,
            "rate": len(self.latencies) / took,
            "p50_ms": cuts[49],
            "p99_ms": cuts[98],
        }


if __name__ == "__main__":
    with open(sys.argv[1]) as file:  # noqa: PTH123
        given = json.load(file)
    print(json.dumps(uvloop.run(Client(given).run())))

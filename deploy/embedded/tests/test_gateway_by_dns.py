"""The gateway with GATEWAY_DISCOVERY=dns: replicas follow a DNS name within a second."""

import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from stories_embedded import paths
from stories_embedded.ports import free_port
from stories_embedded.processes import spawn, stop
from stories_embedded.services import GATEWAY
from stories_shared.events.cloudevents import SERVICES

SEEN_WITHIN_S = 8.0


class Names(threading.Thread):
    """A DNS server for one name that resolves to `addresses`."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.addresses: list[str] = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))

    def run(self) -> None:
        while True:
            try:
                query, sender = self.socket.recvfrom(512)
            except OSError:
                return
            end = query.index(b"\0", 12) + 5
            asks_for_ipv4 = query[end - 4 : end - 2] == b"\0\1"
            found = self.addresses if asks_for_ipv4 else []
            header = query[:2] + struct.pack(">HHHHH", 0x8180, 1, len(found), 0, 0)
            answers = [b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(each) for each in found]
            self.socket.sendto(header + query[12:end] + b"".join(answers), sender)


class Replica:
    """Returns its own address on every path."""

    def __init__(self, address: str, port: int) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(address)))
                self.end_headers()
                self.wfile.write(address.encode())

            def log_message(self, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer((address, port), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def names() -> Iterator[Names]:
    server = Names()
    server.start()
    yield server
    server.socket.close()


@pytest.fixture
def port() -> int:
    return free_port(set())


@pytest.fixture
def replicas(port: int) -> Iterator[dict[str, Replica]]:
    made = {address: Replica(address, port) for address in ("127.0.0.2", "127.0.0.3")}
    yield made
    for replica in made.values():
        replica.close()


@contextmanager
def running(tmp_path: Path, caddyfile: Path, port: int, upstreams: str, **more: str) -> Iterator[httpx.Client]:
    """Caddy with a Caddyfile and these upstreams for every service."""
    at = free_port({port})
    environment = {
        **os.environ,
        **{f"{service.upper()}_UPSTREAMS": upstreams.format(service=service) for service in SERVICES},
        "GATEWAY_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(at),
        "GATEWAY_METRICS_PORT": str(free_port({at})),
        "GATEWAY_FILES": str(GATEWAY),
        "CORS_ORIGINS": "https://app.example",
        "XDG_DATA_HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
        **more,
    }
    command = [str(paths.script("caddy")), "run", "--config", str(caddyfile), "--adapter", "caddyfile"]
    process = spawn(command, tmp_path / "gateway.log", environment)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{at}", trust_env=False, timeout=10) as client:
            yield client
    finally:
        stop(process, 5)


@pytest.fixture
def gateway(tmp_path: Path, names: Names, port: int) -> Iterator[httpx.Client]:
    """The Caddyfile of every deployment with the test's DNS server."""
    asking_us = f"refresh 1s\n\t\tresolvers 127.0.0.1:{names.socket.getsockname()[1]}"
    caddyfile = tmp_path / "Caddyfile"
    caddyfile.write_text((GATEWAY / "Caddyfile").read_text().replace("refresh 1s", asking_us))
    with running(tmp_path, caddyfile, port, f"{{service}} {port}", GATEWAY_DISCOVERY="dns") as client:
        yield client


def answered_by(gateway: httpx.Client, token: int) -> str:
    """The replica that answers this token; empty if none does."""
    try:
        answer = gateway.get("/v1/tray", headers={"Authorization": f"Bearer {token}"})
    except httpx.TransportError:
        return ""
    return answer.text if answer.status_code == 200 else ""


def until_answered_by(gateway: httpx.Client, expected: set[str], tokens: int = 16) -> None:
    """Wait until so many tokens are answered by exactly these replicas."""
    deadline = time.monotonic() + SEEN_WITHIN_S
    while (found := {answered_by(gateway, token) for token in range(tokens)}) != expected:
        assert time.monotonic() < deadline, f"{found}, not {expected}"
        time.sleep(0.1)


def test_replicas_follow_the_dns_name(gateway: httpx.Client, names: Names, replicas: dict[str, Replica]) -> None:
    names.addresses = ["127.0.0.2"]
    until_answered_by(gateway, {"127.0.0.2"})
    names.addresses = ["127.0.0.2", "127.0.0.3"]
    until_answered_by(gateway, {"127.0.0.2", "127.0.0.3"})
    assert all(len({answered_by(gateway, token) for _ in range(4)}) == 1 for token in range(8)), (
        "one token, one replica"
    )
    replicas["127.0.0.3"].close()
    names.addresses = ["127.0.0.2"]
    answers = {answered_by(gateway, token) for token in range(16)}
    assert answers == {"127.0.0.2"}, "no request fails, because the next attempt resolves the name again"


def test_name_without_a_replica_is_503(gateway: httpx.Client, names: Names, replicas: dict[str, Replica]) -> None:
    names.addresses = ["127.0.0.2"]
    until_answered_by(gateway, {"127.0.0.2"})
    names.addresses = []
    until_answered_by(gateway, {""}, tokens=1)  # the gateway tries for seconds before it gives one up
    answer = gateway.get("/v1/tray", headers={"Origin": "https://app.example"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.headers.get_list("access-control-allow-origin") == ["https://app.example"], "a browser reads it too"


def test_unresolvable_replica_name_causes_no_errors(tmp_path: Path, replicas: dict[str, Replica]) -> None:
    """As in docker-compose.yml, which lists more replicas than run: those are asked for, and passed over.

    A label as long as this is nobody's name; so the machine's own resolver, slow as it may be, is not asked.
    """
    nobody = f"replica-{'x' * 64}.invalid"
    port = next(iter(replicas.values()))._server.server_port
    listed = f"{nobody}:{port} 127.0.0.2:{port} 3.{nobody}:{port}"
    with running(tmp_path, GATEWAY / "Caddyfile", port, listed) as client:
        until_answered_by(client, {"127.0.0.2"})
        assert {answered_by(client, token) for token in range(100)} == {"127.0.0.2"}

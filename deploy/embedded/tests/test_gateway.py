"""The gateway: real Caddy with four fake upstreams that return their names."""

import json
import os
import re
import socket
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from stories_embedded import openapi
from stories_embedded.paths import CHECKOUT
from stories_embedded.ports import free_port
from stories_embedded.processes import stop
from stories_embedded.server import start, wait_until_ready
from stories_embedded.services import GATEWAY, Gateway
from stories_shared.http.problems import CONTENT_TYPE, KINDS
from stories_shared.http.strict_json import MAX_BODY_BYTES
from stories_shared.testing import Stopwatch, wait_until

ORIGIN = "https://app.example"


class Upstream:
    """A service that returns its name and the request; `/readyz` returns 503 while it is not ready."""

    ready = True

    def seen(self, headers: Message) -> None:
        """Receives the headers of each request."""

    def __init__(self, name: str, **headers: str) -> None:
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                upstream.seen(self.headers)
                length = int(self.headers.get("Content-Length") or 0)
                read = len(self.rfile.read(length))
                echo = {"name": name, "method": self.command, "path": self.path, "read": read}
                echo["request_id"] = self.headers.get_all("X-Request-Id")
                echo["padding"] = "x" * int(self.headers.get("X-Padding") or 0)
                body = json.dumps(echo).encode()
                self.send_response(200 if upstream.ready or not self.path.startswith("/readyz") else 503)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Type", "application/json")
                for header, value in headers.items():
                    self.send_header(header, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def refuse(self) -> None:
                self.send_response(405)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815
            do_OPTIONS = do_TRACE = do_BREW = refuse  # noqa: N815

            def log_message(self, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class RunningGateway:
    def __init__(self, folder: Path, upstreams: dict[str, list[str]], **environ: str) -> None:
        self.log = folder / "gateway.log"
        gateway = Gateway(free_port(set()), upstreams, folder / "gateway", environ)
        gateway.prepare()
        self._process = start(gateway, self.log, os.environ)
        self.pid = self._process.pid
        wait_until_ready("gateway", self._process, lambda: self._listens(gateway.url), self.log, 20)
        self.http = httpx.Client(base_url=gateway.url, trust_env=False, timeout=10)
        self.metrics = f"http://127.0.0.1:{gateway.metrics_port}/metrics"

    def _listens(self, url: str) -> bool:
        try:
            return httpx.get(f"{url}/nothing", trust_env=False).status_code == 404
        except httpx.TransportError:
            return False

    def close(self) -> None:
        self.http.close()
        stop(self._process, 5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway")


@pytest.fixture(scope="module")
def upstreams() -> Iterator[dict[str, list[Upstream]]]:
    names = {"ingest": 1, "feed": 2, "engagement": 1, "expiry": 1}
    made = {name: [Upstream(f"{name}-{n}") for n in range(1, count + 1)] for name, count in names.items()}
    yield made
    for upstream in (each for some in made.values() for each in some):
        upstream.close()


@pytest.fixture(scope="module")
def addresses(upstreams: dict[str, list[Upstream]]) -> dict[str, list[str]]:
    return {name: [each.address for each in some] for name, some in upstreams.items()}


@pytest.fixture(scope="module")
def gateway(folder: Path, addresses: dict[str, list[str]]) -> Iterator[RunningGateway]:
    running = RunningGateway(folder, addresses, CORS_ORIGINS=f"https://other.example, {ORIGIN}")
    yield running
    running.close()


@pytest.fixture(scope="module")
def without_ingest(
    tmp_path_factory: pytest.TempPathFactory, addresses: dict[str, list[str]]
) -> Iterator[RunningGateway]:
    nobody = {**addresses, "ingest": [f"127.0.0.1:{free_port(set())}"]}
    running = RunningGateway(
        tmp_path_factory.mktemp("gateway"), nobody, CORS_ORIGINS=f"https://other.example, {ORIGIN}"
    )
    yield running
    running.close()


@pytest.fixture
def another(tmp_path: Path) -> Iterator[Callable[..., RunningGateway]]:
    made: list[RunningGateway] = []

    def make(upstreams: dict[str, list[str]], **environ: str) -> RunningGateway:
        made.append(RunningGateway(tmp_path, upstreams, **environ))
        return made[-1]

    yield make
    for each in made:
        each.close()


OPERATIONS = [
    (method.upper(), path, operation[openapi.OWNER])
    for path, operations in json.loads(openapi.MERGED.read_text())["paths"].items()
    for method, operation in operations.items()
]


def test_every_operation_reaches_its_owner_and_no_other_service(gateway: RunningGateway) -> None:
    for method, path, owner in OPERATIONS:
        filled = re.sub(r"\{[^}]+\}", "0198-a%40b", path)
        answer = gateway.http.request(method, filled)
        assert answer.status_code == 200, f"{method} {path}: {answer.text}"
        assert answer.json()["name"].partition("-")[0] == owner, f"{method} {path}"


def test_a_path_of_two_services_names_the_methods_of_both(gateway: RunningGateway) -> None:
    owners: dict[str, dict[str, str]] = {}
    for method, path, owner in OPERATIONS:
        owners.setdefault(path, {})[method] = owner
    shared = {path: by for path, by in owners.items() if len(set(by.values())) > 1}
    assert shared
    for path, methods in shared.items():
        answer = gateway.http.post(re.sub(r"\{[^}]+\}", "0198", path))
        assert (answer.status_code, answer.json()["type"]) == (405, "urn:stories:method-not-allowed"), path
        assert set(answer.headers["allow"].split(", ")) == methods.keys() | {"HEAD"}, path


def test_gateway_problems_equal_those_of_the_services(without_ingest: RunningGateway) -> None:
    for slug, method, path in (
        ("not-found", "GET", "/v1/nothing"),
        ("method-not-allowed", "PUT", "/v1/stories/0198"),
        ("too-large", "POST", "/v1/views"),
        ("unavailable", "GET", "/v1/me/quota"),
    ):
        content = b"x" * (MAX_BODY_BYTES + 1) if slug == "too-large" else None
        answer = without_ingest.http.request(method, path, content=content)
        kind = KINDS[slug]
        assert answer.json() == kind.example()
        assert answer.status_code == kind.status
        assert answer.headers["content-type"] == CONTENT_TYPE
    taken = without_ingest.http.post("/v1/views", content=b"x" * MAX_BODY_BYTES)
    assert taken.json()["read"] == MAX_BODY_BYTES


def test_request_id_of_the_client_is_kept_or_generated(gateway: RunningGateway) -> None:
    answer = gateway.http.get("/v1/tray", headers={"X-Request-Id": "tap-7.of_Ann"})
    assert (answer.json()["request_id"], answer.headers["x-request-id"]) == (["tap-7.of_Ann"], "tap-7.of_Ann")
    made = set()
    for given in ([], ["with space"], ["x" * 65], [""], ["a\tb"], ["one", "another"]):
        answer = gateway.http.get("/v1/tray", headers=[("X-Request-Id", each) for each in given])
        (passed_on,) = answer.json()["request_id"]
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", passed_on)
        assert answer.headers.get_list("x-request-id") == [passed_on]
        made.add(passed_on)
    assert len(made) == 6


def test_service_cannot_override_the_request_id(
    another: Callable[..., RunningGateway], addresses: dict[str, list[str]]
) -> None:
    feed = Upstream("feed", **{"X-Request-Id": "another"})
    answer = another({**addresses, "feed": [feed.address]}).http.get("/v1/tray", headers={"X-Request-Id": "mine"})
    assert answer.headers.get_list("x-request-id") == ["mine"]
    feed.close()


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_responses_over_1_kb_are_compressed(gateway: RunningGateway, encoding: str) -> None:
    def headers_of(path: str, padding: int) -> httpx.Headers:
        request = gateway.http.build_request(
            "GET", path, headers={"Accept-Encoding": encoding, "X-Padding": str(padding)}
        )
        answer = gateway.http.send(request, stream=True)
        answer.close()
        return answer.headers

    assert headers_of("/v1/tray", 2000)["content-encoding"] == encoding
    assert headers_of("/v1/openapi.json", 0)["content-encoding"] == encoding
    assert "content-encoding" not in headers_of("/v1/tray", 10)
    assert "Accept-Encoding" in headers_of("/v1/tray", 2000)["vary"]


def test_compressed_response_is_revalidated_by_its_etag(
    another: Callable[..., RunningGateway], addresses: dict[str, list[str]]
) -> None:
    """The gateway adds a suffix to the ETag of a compressed response, and removes it from If-None-Match."""
    received: list[str | None] = []

    class Tagged(Upstream):
        def seen(self, headers: Message) -> None:
            received.append(headers.get("If-None-Match"))

    feed = Tagged("feed", ETag='"tag"')
    http = another({**addresses, "feed": [feed.address]}).http
    first = http.get("/v1/tray", headers={"X-Padding": "2000", "Accept-Encoding": "gzip"})
    assert first.headers["content-encoding"] == "gzip"
    http.get("/v1/tray", headers={"If-None-Match": first.headers["etag"], "Accept-Encoding": "gzip"})
    assert received[-1] == '"tag"'
    feed.close()


def test_the_merged_openapi_is_served(gateway: RunningGateway) -> None:
    answer = gateway.http.get("/v1/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert {"/v1/tray", "/v1/stories", "/v1/views", "/v1/admin/erasure"} <= answer.json()["paths"].keys()
    assert gateway.http.post("/v1/openapi.json").headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("method", "path", "owner"),
    [
        ("POST", "/v1/stories", "ingest"),
        ("PATCH", "/v1/stories/0198", "ingest"),
        ("DELETE", "/v1/stories/0198?series=true", "ingest"),
        ("GET", "/v1/stories/0198", "feed"),
        ("GET", "/v1/users/ann%40example.com/stories?limit=3", "feed"),
        ("GET", "/v1/stories/0198/comments", "engagement"),
        ("GET", "/v1/stories/0198/receipt", "expiry"),
    ],
)
def test_method_and_path_select_the_service(gateway: RunningGateway, method: str, path: str, owner: str) -> None:
    answer = gateway.http.request(method, path).json()
    assert (answer["name"].partition("-")[0], answer["method"], answer["path"]) == (owner, method, path)


def counted_requests(gateway: RunningGateway) -> Counter[str]:
    """The requests that the metrics count, by status."""
    text = gateway.http.get(gateway.metrics).text
    counted: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            counts = sample.name == "caddy_http_request_duration_seconds_count"
            if counts and sample.labels["handler"] == "subroute":
                counted[sample.labels["code"]] += int(sample.value)
    return counted


def test_metrics_count_each_request_once_with_its_status(without_ingest: RunningGateway) -> None:
    before = counted_requests(without_ingest)
    for path in ("/v1/tray", "/v1/rings", "/v1/stories/x", "/v1/stories/x/receipt"):
        assert without_ingest.http.get(path, headers={"Origin": ORIGIN}).status_code == 200
    assert without_ingest.http.get("/v1/me").status_code == 503
    assert without_ingest.http.get("/v1/openapi.json").status_code == 200
    assert counted_requests(without_ingest) - before == {"200": 5, "503": 1}


def test_metrics_are_not_on_the_port_of_the_api(gateway: RunningGateway) -> None:
    assert gateway.http.get("/metrics").status_code == 404


@pytest.mark.parametrize(
    "path", ["/", "/livez", "/readyz", "/metrics", "/openapi.json", "/v1/tray/", "/v1/nothing", "/v2"]
)
def test_unknown_route_is_a_404_problem(gateway: RunningGateway, path: str) -> None:
    answer = gateway.http.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:stories:not-found"


def test_token_is_routed_to_one_replica(gateway: RunningGateway) -> None:
    def replicas(token: str) -> set[str]:
        headers = {"Authorization": f"Bearer {token}"}
        return {gateway.http.get("/v1/tray", headers=headers).json()["name"] for _ in range(5)}

    by_token = [replicas(f"token-{n}") for n in range(12)]
    assert all(len(seen) == 1 for seen in by_token)
    assert set.union(*by_token) == {"feed-1", "feed-2"}


def test_unreachable_replica_is_skipped(
    another: Callable[..., RunningGateway], addresses: dict[str, list[str]]
) -> None:
    dead = f"127.0.0.1:{free_port(set())}"
    gateway = another({**addresses, "feed": [dead, addresses["feed"][0]]})
    names = {gateway.http.get("/v1/tray", headers={"Authorization": f"Bearer {n}"}).json()["name"] for n in range(8)}
    assert names == {"feed-1"}


def test_unready_replica_gets_no_requests_until_it_is_ready(
    another: Callable[..., RunningGateway], addresses: dict[str, list[str]]
) -> None:
    first, second = Upstream("first"), Upstream("second")
    first.ready = False
    gateway = another({**addresses, "feed": [first.address, second.address]})

    def answering() -> set[str | None]:
        # Tokens are hashed onto replicas: of eight, all may fall on one of the two (1 in 128), of 64 never.
        answers = [gateway.http.get("/v1/tray", headers={"Authorization": f"Bearer {n}"}) for n in range(64)]
        return {answer.json().get("name") for answer in answers}

    wait_until(lambda: answering() == {"second"}, "the first is skipped", 10)
    first.ready, second.ready = True, False
    wait_until(lambda: answering() == {"first"}, "the second is skipped", 10)
    second.ready = True
    wait_until(lambda: answering() == {"first", "second"}, "both answer", 10)
    for upstream in (first, second):
        upstream.close()


def test_kubernetes_and_the_gateway_use_the_same_readiness() -> None:
    (health_uri,) = re.findall(r"health_uri (\S+)", (GATEWAY / "Caddyfile").read_text())
    assert f'path: "{health_uri}"' in (CHECKOUT / "deploy" / "helm" / "library" / "templates" / "_pod.tpl").read_text()


def test_documented_header_limit_equals_the_gateway_s() -> None:
    assert "max_header_size 64KiB " in (GATEWAY / "Caddyfile").read_text()
    assert "over 64 KiB with a bare 431" in (CHECKOUT / "docs" / "http.md").read_text()


def test_service_without_a_replica_is_503_within_3_s(
    another: Callable[..., RunningGateway], addresses: dict[str, list[str]]
) -> None:
    gateway = another({**addresses, "feed": [f"127.0.0.1:{free_port(set())}"]})
    began = time.monotonic()
    answer = gateway.http.get("/v1/tray?token=secret-of-the-browser", headers={"Authorization": "Bearer secret-jwt"})
    assert time.monotonic() - began < 3
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["type"] == "urn:stories:unavailable"
    assert "secret" not in gateway.log.read_text()


def test_listed_origins_may_call(gateway: RunningGateway) -> None:
    sent = {"Origin": ORIGIN, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "story-ticket"}
    preflight = gateway.http.options("/v1/stories/0198/reaction", headers=sent)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert "Story-Ticket" in preflight.headers["access-control-allow-headers"]
    answer = gateway.http.get("/v1/tray", headers={"Origin": ORIGIN})
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "ETag" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in answer.headers


def test_other_origins_may_not_call(gateway: RunningGateway) -> None:
    sent = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    assert gateway.http.options("/v1/tray", headers=sent).status_code == 405
    assert "access-control-allow-origin" not in gateway.http.get("/v1/tray", headers=sent).headers


def raw(gateway: RunningGateway, *lines: str) -> bytes:
    """The response to a request that no client library would send."""
    with socket.create_connection(("127.0.0.1", gateway.http.base_url.port or 0), timeout=10) as link:
        link.sendall("\r\n".join([*lines, "Host: x", "Connection: close", "", ""]).encode())
        return b"".join(iter(lambda: link.recv(65536), b""))


RESPONSES = [
    ("GET", "/v1/tray", 200),
    ("GET", "/v1/openapi.json", 200),
    ("GET", "/s/0198-a", 200),
    ("GET", "/v1/nothing", 404),
    ("PUT", "/v1/stories/0198", 405),
    ("POST", "/v1/stories", 413),
    ("OPTIONS", "/v1/tray", 204),
    ("GET", "/v1/me/quota", 503),
]


def response_headers(
    gateway: RunningGateway, method: str, path: str, status: int, origin: str | None = None
) -> httpx.Headers:
    """The headers of the response with this status; a preflight if the method is OPTIONS."""
    sent = {} if origin is None else {"Origin": origin}
    if method == "OPTIONS":
        sent["Access-Control-Request-Method"] = "GET"
    answer = gateway.http.request(method, path, headers=sent, content=b"x" * 300_000 if status == 413 else None)
    assert answer.status_code == status
    return answer.headers


@pytest.mark.parametrize(("method", "path", "status"), RESPONSES)
def test_every_response_has_security_headers_and_no_server_names(
    without_ingest: RunningGateway, method: str, path: str, status: int
) -> None:
    headers = response_headers(without_ingest, method, path, status, ORIGIN if method == "OPTIONS" else None)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "caddy" not in str(headers).lower()
    assert "strict-transport-security" not in headers
    if status in {404, 405, 413, 503}:
        assert headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize(("method", "path", "status"), RESPONSES)
def test_only_listed_origins_may_read_responses(
    without_ingest: RunningGateway, method: str, path: str, status: int
) -> None:
    headers = response_headers(without_ingest, method, path, status, ORIGIN)
    assert headers.get_list("access-control-allow-origin") == [ORIGIN]
    assert {"Retry-After", "RateLimit", "RateLimit-Policy"} <= set(headers["access-control-expose-headers"].split(", "))
    assert headers.get_list("vary", split_commas=True).count("Origin") == 1
    for origin in (None, "", "null", f"{ORIGIN}.evil.example", "https://evil.example"):
        headers = response_headers(without_ingest, method, path, 405 if method == "OPTIONS" else status, origin)
        assert not [name for name in headers if name.startswith("access-control-")]
        assert headers.get_list("vary", split_commas=True).count("Origin") == 1, "no cache gives it to another origin"


def test_preflight_succeeds_without_the_service(without_ingest: RunningGateway) -> None:
    sent = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    preflight = without_ingest.http.options("/v1/stories", headers=sent)
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, ORIGIN)
    answer = without_ingest.http.post("/v1/stories", headers={"Origin": ORIGIN}, content=b"{}")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.headers.get_list("access-control-allow-origin") == [ORIGIN]


def test_cors_headers_come_only_from_the_gateway(
    another: Callable[..., RunningGateway], addresses: dict[str, list[str]]
) -> None:
    feed = Upstream("feed", **{"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "*"})
    answer = another({**addresses, "feed": [feed.address]}, CORS_ORIGINS=ORIGIN).http.get(
        "/v1/tray", headers={"Origin": ORIGIN}
    )
    assert answer.headers.get_list("access-control-allow-origin") == [ORIGIN]
    assert len(answer.headers.get_list("access-control-expose-headers")) == 1
    feed.close()


def test_no_cors_headers_without_origins(
    another: Callable[..., RunningGateway], addresses: dict[str, list[str]]
) -> None:
    gateway = another(addresses)
    for origin in (ORIGIN, ""):
        headers = response_headers(gateway, "GET", "/v1/nothing", 404, origin)
        assert not [name for name in headers if name.startswith("access-control-")]
        assert "vary" not in headers


def test_hsts_is_sent_behind_tls(another: Callable[..., RunningGateway], addresses: dict[str, list[str]]) -> None:
    gateway = another(addresses, PUBLIC_URL="https://stories.example")
    for path in ("/v1/tray", "/v1/nothing", "/s/0198-a"):
        assert gateway.http.get(path).headers["strict-transport-security"] == "max-age=63072000", path


@pytest.mark.parametrize("where", ["a header", "many headers", "the path", "the query"])
def test_oversized_headers_are_rejected_by_the_gateway(gateway: RunningGateway, where: str) -> None:
    huge = "x" * 70_000
    target = {"the path": f"/v1/stories/{huge}", "the query": f"/v1/tray?cursor={huge}"}.get(where, "/v1/tray")
    lines = {"a header": [f"Authorization: {huge}"], "many headers": [f"X-{n}: {'x' * 100}" for n in range(700)]}
    answer = raw(gateway, f"GET {target} HTTP/1.1", *lines.get(where, []))
    assert answer.split(b" ")[1] == b"431"


def test_realistic_large_headers_are_accepted(gateway: RunningGateway) -> None:
    ids = ",".join(f"%40{'a' * 123}{number:03}" for number in range(100))
    headers = {"Authorization": f"Bearer {'x' * 8192}", "Story-Ticket": "x" * 2048, "Cookie": "x" * 4096}
    assert gateway.http.get(f"/v1/rings?user_ids={ids}", headers=headers).status_code == 200


def test_slow_requests_time_out_without_delaying_others(gateway: RunningGateway) -> None:
    port = gateway.http.base_url.port or 0
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
    for link in slow:
        link.sendall(b"GET /v1/tray HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    began, took = time.monotonic(), []
    while time.monotonic() - began < 1:
        took.append(gateway.http.get("/v1/tray").elapsed.total_seconds())
    assert statistics.median(took) < 0.1
    assert max(took) < 2
    for link in slow:
        link.settimeout(max(0.1, began + 20 - time.monotonic()))
        assert not link.recv(1024).startswith(b"HTTP/1.1 200")
        link.close()
    assert time.monotonic() - began < 20


TRICKS = [
    *("/metrics", "//metrics", "/./metrics", "/v1/../metrics", "/v1/%2e%2e/metrics", "/v1/..%2fmetrics"),
    *("/v1/stories/../../metrics", "/v1/stories/%2e%2e/%2e%2e/readyz", "/v1/stories/..%2f..%2flivez", "/%6detrics"),
    *("/metrics/", "/metrics;x", "/metrics%00", "/metrics?x", "/METRICS", "/v1/tray/../../openapi.json", "/\\metrics"),
    *("http://feed/metrics", "/v1/tray/..;/metrics", "/readyz#x", "/metrics%20", "*"),
]


@pytest.mark.parametrize("target", TRICKS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "TRACE", "BREW"])
def test_path_tricks_reach_no_internal_route(gateway: RunningGateway, method: str, target: str) -> None:
    answer = raw(gateway, f"{method} {target} HTTP/1.1")
    assert answer.split(b" ")[1] in {b"400", b"404", b"405"}, answer
    assert b'"name"' not in answer  # no upstream was called


def test_oversized_body_is_rejected(gateway: RunningGateway) -> None:
    answer = gateway.http.post("/v1/stories", content=b"x" * 2_000_000)
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:stories:too-large")


def test_aborted_requests_remove_no_replica(
    another: Callable[..., RunningGateway], addresses: dict[str, list[str]]
) -> None:
    gateway = another(addresses)
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", gateway.http.base_url.port or 0)) as link:
            link.sendall(b"POST /v1/stories HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf of it")
    watch = Stopwatch(gateway.pid)
    assert gateway.http.post("/v1/stories", content=b"all of it").status_code == 200
    assert watch.seconds() < 1


def test_every_share_link_shows_the_same_page(gateway: RunningGateway) -> None:
    one, other = gateway.http.get("/s/0198-a"), gateway.http.get("/s/0198-b")
    assert one.status_code == 200
    assert one.text == other.text
    assert "0198" not in one.text
    assert "script-src 'self'" in one.headers["content-security-policy"]
    (script,) = re.findall(r'<script src="([^"]+)"', one.text)
    assert "location.pathname" in gateway.http.get(script).text
    assert gateway.http.get("/s/a/b").status_code == 404


def test_share_links_redirect_to_the_configured_app(
    another: Callable[..., RunningGateway], addresses: dict[str, list[str]]
) -> None:
    gateway = another(addresses, SHARE_APP_URL="https://app.example/stories/{id}?from=share")
    answer = gateway.http.get("/s/0198-a")
    assert answer.status_code == 302
    assert answer.headers["location"] == "https://app.example/stories/0198-a?from=share"


@pytest.mark.parametrize(
    ("path", "kind", "holds"),
    [
        ("/docs", "text/html", b"/docs/redoc.standalone.js"),
        ("/docs/start.js", "text/javascript", b"/v1/openapi.json"),
        ("/docs/redoc.standalone.js", "text/javascript", b"Redoc"),
    ],
)
def test_reference_is_served_whole_with_a_strict_policy(
    gateway: RunningGateway, path: str, kind: str, holds: bytes
) -> None:
    answer = gateway.http.get(path)
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind)
    assert holds in answer.content
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'" in policy
    assert "http" not in policy
    assert gateway.http.head(path).status_code == 200
    refused = gateway.http.post(path)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


def test_the_web_client_has_a_strict_policy_and_its_own_caching(
    another: Callable[..., RunningGateway], addresses: dict[str, list[str]]
) -> None:
    gateway = another(addresses, MEDIA_ORIGIN="https://media.example")
    page = gateway.http.get("/app/")
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert policy.count("https://media.example") == 3  # pictures, clips, uploads
    assert "camera=(self), microphone=(self)" in page.headers["permissions-policy"]
    assert page.headers["cache-control"] == "no-cache"
    (script,) = re.findall(r'src="(/app/index-[^"]+\.js)"', page.text)
    served = gateway.http.get(script, headers={"Accept-Encoding": "gzip"})
    assert served.status_code == 200
    assert served.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert served.headers["content-encoding"] == "gzip"
    worker = gateway.http.get("/app/sw.js")
    assert (worker.status_code, worker.headers["cache-control"]) == (200, "no-cache")
    assert gateway.http.get("/app").headers["location"] == "/app/"
    assert gateway.http.post("/app/").status_code == 405
    assert gateway.http.get("/app/none.js").status_code == 404


def test_the_web_client_learns_where_to_sign_in(
    another: Callable[..., RunningGateway], addresses: dict[str, list[str]]
) -> None:
    issuer = "https://id.example/realms/stories"
    gateway = another(addresses, MEDIA_ORIGIN="https://media.example", AUTH_ISSUER=issuer, OIDC_CLIENT_ID="stories-web")
    answer = gateway.http.get("/app/sign-in.json")
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("application/json", "no-cache")
    assert answer.json() == {"issuer": issuer, "audience": "", "client_id": "stories-web", "scope": "openid"}
    policy = gateway.http.get("/app/").headers["content-security-policy"]
    assert "connect-src 'self' https://media.example https://id.example;" in policy


def test_sign_in_by_name_exists_only_where_it_is_configured(gateway: RunningGateway) -> None:
    assert gateway.http.get("/dev/sign-in").status_code == 404
    assert gateway.http.get("/dev/events").status_code == 404

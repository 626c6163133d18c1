"""Sign-in by name, for development."""

from collections.abc import Iterator

import httpx
import pytest
from stories_embedded import dev_server
from stories_embedded.ports import free_port


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    port = free_port(set())
    with (
        dev_server.serving(port, lambda user, admin: f"token of {user}{' as admin' if admin else ''}"),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        yield client


def test_a_name_becomes_a_token(http: httpx.Client) -> None:
    assert http.get("/dev/sign-in").status_code == 200
    assert http.post("/dev/sign-in", json={"user": "ann"}).json() == {"user": "ann", "token": "token of ann"}
    assert http.post("/dev/sign-in", json={"user": "ann", "admin": True}).json()["token"] == "token of ann as admin"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"user": 1}', b'{"user": ""}', b'{"user": "a b"}', b" " * 5000])
def test_what_is_no_name_is_refused(http: httpx.Client, body: bytes) -> None:
    answer = http.post("/dev/sign-in", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:stories:invalid"


def test_a_page_of_another_origin_gets_no_token(http: httpx.Client) -> None:
    rebound = http.post("/dev/sign-in", json={"user": "ann"}, headers={"Host": "evil.example:8080"})
    foreign = http.post("/dev/sign-in", json={"user": "ann"}, headers={"Sec-Fetch-Site": "cross-site"})
    form = http.post("/dev/sign-in", content=b'{"user": "ann"}', headers={"Content-Type": "text/plain"})
    assert [rebound.status_code, foreign.status_code, form.status_code] == [404, 404, 415]

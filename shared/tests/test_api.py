"""A configured application: problems, rate limits, raw routes and their OpenAPI document."""

import asyncio

import httpx
import msgspec
import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from pymongo.errors import ServerSelectionTimeoutError
from starlette.requests import Request
from starlette.responses import Response
from stories_shared.auth.tokens import Caller, Unauthenticated
from stories_shared.errors import Unavailable
from stories_shared.http import problems
from stories_shared.http.app import configure_app
from stories_shared.http.authentication import AdminCaller, CurrentCaller
from stories_shared.http.bodies import Body, StrictRoute
from stories_shared.http.paging import Paged, read_page
from stories_shared.http.rate_limits import RateLimits, consume, rate_limited
from stories_shared.http.raw_routes import PAGING, raw_route
from stories_shared.http.strict_json import read_document
from stories_shared.runtime.log_throttle import INTERVAL_S, LogThrottle
from stories_shared.testing import FakeClock


class ByName:
    """An authenticator whose tokens are user ids."""

    async def caller(self, authorization: str | None) -> Caller:
        if authorization is None:
            raise Unauthenticated
        if authorization == "Bearer broken":
            raise Unauthenticated("the signature is wrong")
        name = authorization.removeprefix("Bearer ")
        return Caller(name, roles=frozenset({"admin"} if name == "root" else ()))


class Share(Body):
    text: str


class Tray(BaseModel):
    items: list[str]


class Views(msgspec.Struct):
    views: list[str]


class Reel(BaseModel):
    items: list[str]


router = APIRouter(route_class=StrictRoute, tags=["stories"])


@router.post("/v1/shares", status_code=201, dependencies=[rate_limited("shares")])
async def share(share: Share, caller: CurrentCaller) -> Reel:
    return Reel(items=[caller.user_id])


@router.get("/v1/admin/reports")
async def read_reports(caller: AdminCaller) -> Reel:
    return Reel(items=[caller.user_id])


@router.get("/v1/config")
async def read_config() -> dict[str, int]:
    return {"one": 1}


@router.get("/v1/list")
async def read_list(page: Paged, caller: CurrentCaller) -> dict[str, object]:
    return {"limit": page.limit, "cursor": page.cursor}


FAILURES = {
    "mongodb": ServerSelectionTimeoutError("no primary"),
    "s3": Unavailable("s3"),
    "group": ExceptionGroup("several", [Unavailable("kafka")]),
    "late": TimeoutError(),
    "bug": ZeroDivisionError("division by zero"),
    "off": problems.problem("comments-off"),
    "refused": problems.problem("media-refused", "it is a text", reason="not_media"),
}


@router.get("/v1/failures/{name}")
async def fail(name: str) -> None:
    raise FAILURES[name]


@raw_route(router, "GET", "/v1/tray", summary="The tray", query=PAGING, answers={200: Tray, 304: None}, limit="reads")
async def read_tray(request: Request, caller: Caller, query: dict[str, str]) -> Response:
    page = read_page(query)
    tray = msgspec.json.encode({"items": [caller.user_id] * page.limit})
    return Response(tray, headers={"Cache-Control": "private, no-cache"}, media_type="application/json")


@raw_route(router, "POST", "/v1/views", summary="Views", body=Views, answers={202: None}, refusals=("wrong-state",))
async def post_views(request: Request, caller: Caller, query: dict[str, str]) -> Response:
    try:
        given = msgspec.convert(await read_document(request), Views)
    except msgspec.ValidationError as error:
        raise problems.invalid(str(error), "body") from error
    consume(request, "views", caller.user_id, len(given.views))
    return Response(status_code=202)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def refused():
    return []


@pytest.fixture
def app(clock, refused):
    app = FastAPI(title="Stories", docs_url=None, redoc_url=None)
    app.include_router(router)
    configure_app(app, ByName(), limits=RateLimits({"shares": 3, "reads": 1000, "views": 100}, refused.append, clock))
    return app


@pytest.fixture
async def client(app):
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


def ann(name: str = "ann") -> dict[str, str]:
    return {"Authorization": f"Bearer {name}"}


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/shares"), ("GET", "/v1/admin/reports"), ("GET", "/v1/tray")]
)
async def test_request_without_a_valid_token_is_401(client, method, path):
    without = await client.request(method, path + "?bad=%zz", content=b"nonsense")
    assert without.status_code == 401
    assert without.headers["www-authenticate"] == 'Bearer realm="stories"'
    broken = await client.request(method, path, headers=ann("broken"), content=b"nonsense")
    assert broken.status_code == 401
    assert 'error="invalid_token"' in broken.headers["www-authenticate"]
    assert broken.json()["type"] == "urn:stories:unauthenticated"


async def test_two_tokens_are_401(client):
    answer = await client.get("/v1/tray", headers=[("Authorization", "Bearer ann"), ("Authorization", "Bearer broken")])
    assert answer.json()["items"] == ["ann, Bearer broken"] * 20  # the real authenticator refuses such a text


async def test_admin_routes_are_404_for_others(client):
    assert (await client.get("/v1/admin/reports", headers=ann("root"))).status_code == 200
    refused = await client.get("/v1/admin/reports", headers=ann())
    assert (refused.status_code, refused.json()) == (404, (await client.get("/v1/admin/none")).json())


@pytest.mark.parametrize("name", ["mongodb", "s3", "group", "late"])
async def test_unavailable_dependency_is_503_with_retry_after(client, name):
    answer = await client.get(f"/v1/failures/{name}")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["type"] == "urn:stories:unavailable"
    assert answer.headers["cache-control"] == "private, no-store"


async def test_internal_error_is_a_problem_without_details(client):
    answer = await client.get("/v1/failures/bug")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "division" not in answer.text


async def test_problem_raised_below_a_route_becomes_the_response(client):
    assert (await client.get("/v1/failures/off")).json()["type"] == "urn:stories:comments-off"
    refused = (await client.get("/v1/failures/refused")).json()
    assert (refused["status"], refused["detail"], refused["reason"]) == (422, "it is a text", "not_media")


async def test_unlisted_problem_type_cannot_be_raised():
    with pytest.raises(KeyError):
        problems.problem("made-up")


async def test_rate_limit_headers_show_remaining_quota_and_reset(client, clock, refused):
    for left in (2, 1, 0):
        answer = await client.post("/v1/shares", json={"text": "a"}, headers=ann())
        assert answer.status_code == 201
        assert answer.headers["ratelimit-policy"] == '"shares";q=3;w=60'
        assert answer.headers["ratelimit"] == f'"shares";r={left};t=60'
    clock.forward(seconds=22.5)
    answer = await client.post("/v1/shares", json={"text": "a"}, headers=ann())
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "38")
    assert answer.headers["ratelimit"] == '"shares";r=0;t=38'
    assert answer.json()["type"] == "urn:stories:rate-limited"
    assert refused == ["shares"]
    assert (await client.post("/v1/shares", json={"text": "a"}, headers=ann("bob"))).status_code == 201
    clock.forward(seconds=38)
    assert (await client.post("/v1/shares", json={"text": "a"}, headers=ann())).status_code == 201


async def test_request_above_the_remaining_quota_takes_nothing(client):
    async def views(count):
        return await client.post("/v1/views", json={"views": ["a"] * count}, headers=ann())

    assert (await views(60)).headers["ratelimit"] == '"views";r=40;t=60'
    assert (await views(41)).status_code == 429
    assert (await views(40)).status_code == 202
    assert (await views(1)).headers["ratelimit"] == '"views";r=0;t=60'


async def test_raw_route_is_as_strict_as_other_routes(client):
    answer = await client.get("/v1/tray?limit=2", headers=ann())
    assert answer.json() == {"items": ["ann", "ann"]}
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["ratelimit-policy"] == '"reads";q=1000;w=60'
    for query in ("limit=0", "limit=101", "limit=1.0", "limit=", "limit=+5", "limit=1_0", "more=1", "limit=1&limit=1"):
        assert (await client.get(f"/v1/tray?{query}", headers=ann())).status_code == 422
        assert (await client.get(f"/v1/list?{query}", headers=ann())).status_code == 422
    for body, status in ((b"", 400), (b"{", 400), (b'{"a":1,"a":1}', 400), (b'"\\ud800"', 422)):
        headers = ann() | {"Content-Type": "application/json"}
        assert (await client.post("/v1/views", content=body, headers=headers)).status_code == status
    assert (await client.post("/v1/views", content=b"[]", headers=ann())).status_code == 415
    assert (await client.post("/v1/tray", headers=ann())).headers["allow"] == "GET, HEAD"


async def test_page_has_20_items_by_default(client):
    assert (await client.get("/v1/list", headers=ann())).json() == {"limit": 20, "cursor": None}
    assert (await client.get("/v1/list?limit=100&cursor=c", headers=ann())).json() == {"limit": 100, "cursor": "c"}


async def test_openapi_documents_every_route_including_raw_ones(client):
    document = (await client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    tray = document["paths"]["/v1/tray"]["get"]
    assert tray["operationId"] == "read_tray"
    assert tray["security"] == document["paths"]["/v1/shares"]["post"]["security"] == [{"bearer": []}]
    assert sorted(tray["responses"]) == ["200", "304", "401", "422", "429", "503"]
    shared = ["Limit", "Cursor", "IfNoneMatch"]
    assert tray["parameters"] == [{"$ref": f"#/components/parameters/{name}"} for name in shared]
    assert document["paths"]["/v1/views"]["post"]["requestBody"]["required"]
    assert "Views" in document["components"]["schemas"]
    share = document["paths"]["/v1/shares"]["post"]
    assert sorted(share["responses"]) == ["201", "400", "401", "413", "415", "422", "429", "503"]
    assert document["paths"]["/v1/config"]["get"]["security"] == []
    assert not {"HTTPValidationError", "ValidationError"} & set(document["components"]["schemas"])


async def test_concurrent_requests_get_their_own_responses(client):
    answers = await asyncio.gather(*(client.get("/v1/tray?limit=1", headers=ann(f"u{n}")) for n in range(50)))
    assert [answer.json()["items"] for answer in answers] == [[f"u{n}"] for n in range(50)]


def test_log_throttle_logs_a_burst_once_and_counts_it() -> None:
    at = [0.0]
    throttle = LogThrottle(lambda: at[0])
    assert [throttle.should_log(("mongodb", "/v1/tray")) for _ in range(500)] == [1] + [None] * 499
    assert throttle.should_log(("mongodb", "/v1/rings")) == 1
    at[0] = INTERVAL_S
    assert throttle.should_log(("mongodb", "/v1/tray")) == 500

"""Bodies, queries and paths as strictly as docs/http.md has them."""

import json
import re
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from pydantic import Field, TypeAdapter, ValidationError
from stories_shared.auth.tokens import Caller
from stories_shared.http.app import configure_app
from stories_shared.http.authentication import CurrentCaller
from stories_shared.http.bodies import Body, Emoji, StoryId, StrictRoute, Text, UserId
from stories_shared.http.problems import KINDS


class Comment(Body):
    text: Annotated[str, Text(1, 500)]
    reply_to: StoryId | None = None
    likes: int = 0
    weight: float = 0.0
    emoji: Emoji = "❤️"
    layers: list[dict[str, Any]] = Field(default_factory=list)


class Everybody:
    """An authenticator to whom everybody is ann."""

    async def caller(self, authorization: str | None) -> Caller:
        return Caller("ann")


router = APIRouter(route_class=StrictRoute)


@router.post("/comments")
async def post_comment(comment: Comment) -> dict[str, Any]:
    return comment.model_dump()


@router.post("/maybe")
async def post_maybe(comment: Comment | None = None) -> dict[str, Any]:
    return {"came": comment is not None}


@router.get("/users/{user_id}/stories/{story_id}")
async def read_story(user_id: UserId, story_id: StoryId, caller: CurrentCaller, limit: int = 20) -> dict[str, Any]:
    return {"user_id": user_id, "limit": limit}


@router.put("/users/{user_id}/stories/{story_id}")
async def put_story(user_id: UserId, story_id: StoryId) -> None:
    return None


@pytest.fixture
async def client():
    app = FastAPI()
    app.include_router(router)
    configure_app(app, Everybody())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


async def post(client: httpx.AsyncClient, body: bytes, content_type: str | None = "application/json") -> httpx.Response:
    headers = {"content-type": content_type} if content_type is not None else {}
    return await client.post("/comments", content=body, headers=headers)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"nonsense",
        b'{"text": "a"} {}',
        b'{"text": NaN}',
        b'{"weight": Infinity, "text": "a"}',
        b'{"weight": -Infinity, "text": "a"}',
        b'{"text": "a", "text": "b"}',
        b'{"text": "a", "layers": [{"x": 1, "x": 2}]}',
        b'{"text": "a\nb"}',
        b'{"text": "a\x00b"}',
        b'{"text": "\xff"}',
        b'{"text": "\xed\xa0\x80"}',
        b"\xef\xbb\xbf{}",
        '{"text": "a"}'.encode("utf-16"),
    ],
)
async def test_invalid_or_ambiguous_json_is_400(client, body):
    answer = await post(client, body)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:stories:not-json"


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"null",
        b"[]",
        b"1",
        b'"text"',
        b'{"text": 1}',
        b'{"text": ""}',
        b'{"text": " \\u00a0 "}',
        b'{"text": "a", "more": 1}',
        b'{"text": "a", "likes": "1"}',
        b'{"text": "a", "likes": 1.5}',
        b'{"text": "a", "likes": true}',
        b'{"text": "\\ud800"}',
        b'{"text": "a\\u0000b"}',
        b'{"text": "a", "layers": [{"deep": {"\\udfff": 1}}]}',
        b'{"text": "a", "layers": [{"deep": ["\\u0000"]}]}',
        b'{"text": "a", "likes": 9223372036854775808}',
        b'{"text": "a", "likes": ' + b"9" * 5000 + b"}",
        b'{"text": "a", "weight": 1e400}',
        b'{"text": "a", "reply_to": "no"}',
        b'{"text": "a", "emoji": "a"}',
        b'{"text": "a", "layers": ' + b"[" * 100 + b"]" * 100 + b"}",
        b'{"text": "a", "layers": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"text": "a", "layers": [' + b'{"a":' * 40 + b"1" + b"}" * 40 + b"]}",
    ],
)
async def test_invalid_body_is_422_with_locations(client, body):
    answer = await post(client, body)
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert problem["type"] == "urn:stories:invalid"
    assert problem["errors"]
    assert all(isinstance(error["loc"], list) and error["msg"] for error in problem["errors"])


@pytest.mark.parametrize("number", ["-0", "-0.0", "1e-400", "123456789012345.678"])
async def test_unusual_finite_numbers_are_accepted(client, number):
    assert (await post(client, b'{"text": "a", "weight": %s}' % number.encode())).status_code == 200


async def test_text_is_counted_in_code_points_after_nfc_and_trimming(client):
    answer = await post(client, json.dumps({"text": " " + "e\u0301" * 500 + "\n"}).encode())
    assert answer.json()["text"] == "\u00e9" * 500
    assert (await post(client, json.dumps({"text": "😀" * 500}).encode())).status_code == 200
    assert (await post(client, json.dumps({"text": "😀" * 501}).encode())).status_code == 422


@pytest.mark.parametrize("emoji", ["❤️", "👍🏽", "🇸🇪", "1️⃣", "👩‍👩‍👧‍👦", "🏴󠁧󠁢󠁳󠁣󠁴󠁿"])
async def test_an_emoji_is_one_sequence(client, emoji):
    assert (await post(client, json.dumps({"text": "a", "emoji": emoji}).encode())).status_code == 200
    for not_one in (emoji + emoji, emoji + " ", emoji + "a"):
        assert (await post(client, json.dumps({"text": "a", "emoji": not_one}).encode())).status_code == 422


@pytest.mark.parametrize(("bare", "qualified"), [("❤", "❤️"), ("☺", "☺️"), ("1⃣", "1️⃣"), ("🏳‍🌈", "🏳️‍🌈"), ("👍", "👍")])
async def test_a_bare_emoji_becomes_its_fully_qualified_form(client, bare, qualified):
    answer = await post(client, json.dumps({"text": "a", "emoji": bare}).encode())
    assert (answer.status_code, answer.json()["emoji"]) == (200, qualified)


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/xml",
        "application/json; charset=latin-1",
        "application/json-patch+json",
        "multipart/form-data",
        "application/jsonx",
    ],
)
async def test_another_content_type_is_415(client, content_type):
    answer = await post(client, b'{"text": "a"}', content_type)
    assert answer.status_code == 415
    assert answer.json()["type"] == "urn:stories:unsupported-media-type"


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON; Charset=UTF-8", 'application/json;charset="utf-8"']
)
async def test_json_in_utf_8_is_the_content_type(client, content_type):
    assert (await post(client, b'{"text": "a"}', content_type)).status_code == 200


async def chunks(count: int, of: bytes):
    for _ in range(count):
        yield of


async def test_a_body_over_256_kib_is_413_declared_or_not(client):
    large = b'{"text": "' + b"a" * 256 * 1024 + b'"}'
    assert (await post(client, large)).status_code == 413
    unframed = await client.post(
        "/comments", content=chunks(300, b"a" * 1024), headers={"content-type": "application/json"}
    )
    assert unframed.status_code == 413
    assert unframed.json()["type"] == "urn:stories:too-large"
    exact = b'{"text": "a"}'.ljust(256 * 1024)
    assert (await post(client, exact)).status_code == 200


async def test_a_compressed_body_is_415(client):
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    assert (await client.post("/comments", content=b"\x1f\x8b", headers=headers)).status_code == 415


async def test_an_optional_body_may_be_missing(client):
    assert (await client.post("/maybe")).json() == {"came": False}
    assert (await client.post("/maybe", json={"text": "a"})).json() == {"came": True}


STORY = "/users/ann/stories/01981d5a-7c00-7000-8000-000000000001"


@pytest.mark.parametrize(
    "query",
    [
        "limit=1&limit=2",
        "other=1",
        "limit=1&other",
        "limit=%zz",
        "limit=%ff",
        "limit=%00",
        "limit=x",
        "limit=",
        "%ff=1",
        "=",
        "l%69mit=1&limit=1",
        "limit=1;other=2",
    ],
)
async def test_a_bad_query_is_422(client, query):
    answer = await client.get(httpx.URL(STORY).copy_with(query=query.encode()))
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["loc"][0] == "query"


async def test_a_good_query_is_read(client):
    assert (await client.get(STORY + "?limit=7&")).json() == {"user_id": "ann", "limit": 7}


@pytest.mark.parametrize(
    "path",
    [
        "/users/ann/stories/1",
        "/users/-ann/stories/01981d5a-7c00-7000-8000-000000000001",
        "/users%2Fann/stories/01981d5a-7c00-7000-8000-000000000001",
        "/users/ann%00/stories/01981d5a-7c00-7000-8000-000000000001",
        "/users/%ff/stories/01981d5a-7c00-7000-8000-000000000001",
        "/users/ann%0a/stories/01981d5a-7c00-7000-8000-000000000001",
        "/users/ann/stories/01981d5a-7c00-7000-8000-000000000001/",
        "/nowhere",
        "//",
        STORY.upper(),
        "/users/" + "a" * 129 + "/stories/01981d5a-7c00-7000-8000-000000000001",
    ],
)
async def test_malformed_id_is_404(client, path):
    answer = await client.get(path)
    assert answer.status_code == 404
    assert answer.json() == KINDS["not-found"].example()


async def test_a_user_id_may_hold_what_the_contract_allows(client):
    answer = await client.get("/users/A%40b%7Cc+d~e.f_g%3Ah/stories/01981d5a-7c00-7000-8000-000000000001")
    assert answer.json()["user_id"] == "A@b|c+d~e.f_g:h"


async def test_wrong_method_is_405_with_allow(client):
    answer = await client.patch(STORY)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, PUT")
    assert answer.json()["type"] == "urn:stories:method-not-allowed"
    assert (await client.request("BREW", STORY)).status_code == 405


async def test_responses_are_not_cacheable(client):
    for answer in (await client.get(STORY), await client.get("/nowhere"), await client.put(STORY)):
        assert answer.headers["cache-control"] == "private, no-store"


async def test_head_is_answered_like_get(client):
    assert (await client.head(STORY)).status_code == 200
    assert (await client.head("/comments")).status_code == 405


def test_the_pattern_of_a_text_and_trimming_agree_on_what_is_space() -> None:
    text: TypeAdapter[str] = TypeAdapter(Annotated[str, Text(1, 500)])
    pattern = text.json_schema()["pattern"]
    assert "\\s" not in pattern, "of which every dialect has its own idea"
    for character in map(chr, [*range(1, 0x3100), 0xFEFF, 0x1F600]):
        try:
            taken = bool(text.validate_python(character))
        except ValidationError:
            taken = False
        assert bool(re.match(pattern, character)) == taken, hex(ord(character))

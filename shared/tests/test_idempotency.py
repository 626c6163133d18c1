"""Asked twice, done once; on both drivers of MongoDB."""

import asyncio
import contextlib
from datetime import UTC, datetime

import httpx
import pytest
import pytest_asyncio
from fastapi import APIRouter, FastAPI
from stories_shared.auth.tokens import Caller
from stories_shared.errors import Unavailable
from stories_shared.http.app import configure_app
from stories_shared.http.authentication import CurrentCaller
from stories_shared.http.bodies import Body, StrictRoute
from stories_shared.http.idempotency import Idempotent, run_once
from stories_shared.http.problems import Problem, problem
from stories_shared.mongo.client import Mongo
from stories_shared.mongo.idempotency import (
    INDEXES,
    Claimed,
    IdempotencyRequest,
    IdempotencyStore,
    KeyReused,
    KeyRunning,
    Replay,
)
from stories_shared.testing import FakeClock, eventually
from stories_shared.timeouts import wait_at_most

pytestmark = pytest.mark.servers


@pytest.fixture
def clock():
    return FakeClock(datetime.now(UTC))


@pytest_asyncio.fixture(params=["pymongo", "motor"])
async def claims(request, namespace, clock):
    mongo = Mongo.connect(namespace["MONGO_URL"], namespace["MONGO_DATABASE"], request.param)
    await mongo.ensure("keys", *INDEXES)
    yield IdempotencyStore(mongo["keys"], clock)
    await mongo.close()


FIRST = IdempotencyRequest("POST", "/v1/stories", "key", "hash")


async def test_completed_key_replays_its_resource(claims):
    new = await claims.claim_once("ann", FIRST, "one")
    assert (new.resource_id, new.taken_over) == ("one", False)
    await claims.complete(new, 201)
    assert await claims.claim_once("ann", FIRST, "two") == Replay("one", 201)


async def test_running_key_is_409(claims):
    await claims.claim_once("ann", FIRST, "one")
    with pytest.raises(KeyRunning):
        await claims.claim_once("ann", FIRST, "two")


async def test_key_with_another_body_is_422_in_any_state(claims):
    other = IdempotencyRequest("POST", "/v1/stories", "key", "other hash")
    new = await claims.claim_once("ann", FIRST, "one")
    with pytest.raises(KeyReused):
        await claims.claim_once("ann", other, "two")
    await claims.complete(new)
    with pytest.raises(KeyReused):
        await claims.claim_once("ann", other, "two")


@pytest.mark.parametrize(
    ("user", "claim"),
    [
        ("bob", FIRST),
        ("ann", IdempotencyRequest("POST", "/v1/stories", "other", "hash")),
        ("ann", IdempotencyRequest("POST", "/v1/comments", "key", "hash")),
        ("ann", IdempotencyRequest("PUT", "/v1/stories", "key", "hash")),
    ],
)
async def test_key_is_scoped_to_user_method_and_path(claims, user, claim):
    await claims.claim_once("ann", FIRST, "one")
    assert (await claims.claim_once(user, claim, "two")).resource_id == "two"


async def test_released_key_is_free_for_another_body(claims):
    await claims.release(await claims.claim_once("ann", FIRST, "one"))
    assert await claims.claim_once("ann", IdempotencyRequest("POST", "/v1/stories", "key", "other hash"), "two")


async def test_claim_of_a_dead_request_is_taken_over_once_with_its_id(claims, clock):
    dead = await claims.claim_once("ann", FIRST, "one")
    clock.forward(seconds=31)
    tries = (claims.claim_once("ann", FIRST, f"other {n}") for n in range(5))
    found = await asyncio.gather(*tries, return_exceptions=True)
    (taken,) = (each for each in found if isinstance(each, Claimed))
    assert (taken.resource_id, taken.taken_over) == ("one", True)
    await claims.complete(dead, 500)  # it wakes up again: its lease is over
    await claims.release(dead)
    with pytest.raises(KeyRunning):
        await claims.claim_once("ann", FIRST, "two")
    await claims.complete(taken, 201)
    assert await claims.claim_once("ann", FIRST, "two") == Replay("one", 201)


async def test_one_of_many_concurrent_claims_is_new(claims):
    tries = (claims.claim_once("ann", FIRST, f"{n}") for n in range(10))
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(each, Claimed) for each in found) == 1
    assert all(isinstance(each, Claimed | KeyRunning) for each in found)


async def test_key_is_free_after_a_day(claims, clock):
    await claims.complete(await claims.claim_once("ann", FIRST, "one"))
    clock.forward(hours=23, minutes=59)
    assert await claims.claim_once("ann", FIRST, "two") == Replay("one", 201)
    clock.forward(minutes=2)
    assert (await claims.claim_once("ann", FIRST, "two")).resource_id == "two"


async def test_only_a_hash_of_the_body_is_stored(claims):
    await claims.complete(await claims.claim_once("ann", FIRST, "one"))
    kept = await claims.collection.find_one({})
    assert sorted(kept) == ["_id", "at", "body", "lease", "resource_id", "status", "user_id"]


class Notes:
    """Creates notes, or fails as the test demands."""

    def __init__(self) -> None:
        self.made: list[str] = []

    async def make(self, note_id: str) -> str:
        self.made.append(note_id)
        return note_id

    async def fail(self, note_id: str) -> str:
        self.made.append(note_id)
        raise Unavailable("mongodb")

    async def hang(self, note_id: str) -> str:
        self.made.append(note_id)
        await asyncio.Event().wait()
        return note_id

    async def refuse(self, _note_id: str) -> str:
        raise problem("comments-off")


OTHER_BODY = IdempotencyRequest("POST", "/v1/stories", "key", "other hash")


async def test_failed_request_is_taken_over_at_once_with_the_same_id(claims):
    notes = Notes()
    for _ in range(2):
        with pytest.raises(Unavailable):
            await run_once(claims, "ann", FIRST, notes.fail, notes.make)
    made = await run_once(claims, "ann", FIRST, notes.make, notes.make)
    assert notes.made == [made, made, made]
    assert await run_once(claims, "ann", FIRST, notes.fail, notes.make) == made


async def test_cancelled_request_is_taken_over_at_once_with_the_same_id(claims):
    notes = Notes()
    with pytest.raises(TimeoutError):
        await wait_at_most(0.2, run_once(claims, "ann", FIRST, notes.hang, notes.make))

    async def again() -> str | None:
        with contextlib.suppress(Problem):  # until the cancelled one has given its claim up
            return await run_once(claims, "ann", FIRST, notes.make, notes.make)
        return None

    made = await eventually(again)
    assert notes.made == [made, made]


async def test_rejected_request_frees_its_key_unless_an_earlier_one_failed(claims):
    notes = Notes()
    with pytest.raises(Problem):
        await run_once(claims, "ann", FIRST, notes.refuse, notes.make)
    with pytest.raises(Unavailable):
        await run_once(claims, "ann", OTHER_BODY, notes.fail, notes.make)
    with pytest.raises(Problem):
        await run_once(claims, "ann", OTHER_BODY, notes.refuse, notes.make)
    with pytest.raises(Problem) as problem:
        await run_once(claims, "ann", FIRST, notes.make, notes.make)
    assert problem.value.slug == "idempotency-reused"
    assert await run_once(claims, "ann", OTHER_BODY, notes.make, notes.make) == notes.made[0]


class Note(Body):
    text: str


class Everybody:
    async def caller(self, authorization: str | None) -> Caller:
        return Caller("ann")


@pytest.fixture
async def client(claims):
    router = APIRouter(route_class=StrictRoute)

    @router.post("/v1/notes", status_code=201)
    async def create(note: Note, caller: CurrentCaller, request: Idempotent) -> dict[str, str]:
        async def make(note_id: str) -> str:
            return note_id

        return {"id": await run_once(claims, caller.user_id, request, make, make)}

    app = FastAPI()
    app.include_router(router)
    configure_app(app, Everybody())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


async def test_body_hash_ignores_formatting(client):
    async def post(body: bytes, key: str = "k") -> httpx.Response:
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        return await client.post("/v1/notes", content=body, headers=headers)

    first = await post(b'{"text": "a"}')
    assert (await post(b'{ "text" :"\\u0061"}\n')).json() == first.json()
    assert (await post(b'{"text": "b"}')).status_code == 422
    assert (await post(b'{"text": "b"}', "other")).json() != first.json()


@pytest.mark.parametrize("keys", [[""], ["a" * 256], ["\x7f"], ["\t"], ["é"], ["a", "b"], ["a", "a"]])
async def test_a_key_is_1_to_255_printable_ascii_characters(client, keys):
    headers = [(b"idempotency-key", key.encode("latin-1")) for key in keys]
    answer = await client.post("/v1/notes", json={"text": "a"}, headers=headers)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["loc"] == ["header", "Idempotency-Key"]


async def test_longest_key_and_no_key_are_accepted(client):
    for key in ("a" * 255, " ~!", "k e y"):
        assert (await client.post("/v1/notes", json={"text": "a"}, headers={"Idempotency-Key": key})).status_code == 201
    assert (await client.post("/v1/notes", json={"text": "a"})).status_code == 201

"""One deadline for each request, and a slow sender's time is not the service's."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from stories_shared.auth.tokens import Caller
from stories_shared.http.app import configure_app
from stories_shared.http.authentication import CurrentCaller
from stories_shared.http.bodies import Body
from stories_shared.http.deadline import DeadlineRoute
from stories_shared.timeouts import SharedTimeout

TIMEOUT_S = 0.3


class ImpatientRoute(DeadlineRoute):
    def deadline_s(self, _request: Request) -> float:
        return TIMEOUT_S


class Note(Body):
    text: str


class SlowKeys:
    """An authenticator that takes so many seconds for a token."""

    async def caller(self, authorization: str | None) -> Caller:
        await asyncio.sleep(float((authorization or "Bearer 0").split()[1]))
        return Caller("ann")


@pytest.fixture
async def client():
    router = APIRouter(route_class=ImpatientRoute)

    @router.post("/v1/notes", status_code=201)
    async def create(note: Note, caller: CurrentCaller) -> dict[str, str]:
        await asyncio.sleep(float(note.text))
        return {"by": caller.user_id}

    app = FastAPI()
    app.include_router(router)
    configure_app(app, SlowKeys())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


async def post(client: httpx.AsyncClient, text: str, *, slowly: float = 0, token: str = "0") -> int:
    async def body() -> AsyncIterator[bytes]:
        yield b'{"text": '
        await asyncio.sleep(slowly)
        yield f'"{text}"}}'.encode()

    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    return (await client.post("/v1/notes", content=body(), headers=headers)).status_code


async def test_slow_body_does_not_count_against_the_deadline(client):
    assert await post(client, "0", slowly=2 * TIMEOUT_S) == 201


async def test_slow_response_exceeds_the_deadline(client):
    assert await post(client, "5") == 503


async def test_token_verification_counts_against_the_deadline(client):
    assert await post(client, "0", token="0.2") == 201
    assert await post(client, "0.25", token="0.2") == 503


async def overdue(shared: SharedTimeout, seconds: float) -> bool:
    """Whether work of so many seconds is ended by it."""
    try:
        with shared.begin():
            await asyncio.sleep(seconds)
    except TimeoutError:
        return True
    return False


async def test_shared_timeout_ends_only_what_is_over():
    timeout = SharedTimeout(TIMEOUT_S)
    took = [0, 60, 0, 60]
    assert await asyncio.gather(*(overdue(timeout, seconds) for seconds in took)) == [False, True, False, True]
    late = asyncio.create_task(overdue(timeout, 60))
    await asyncio.sleep(TIMEOUT_S / 2)
    assert not await overdue(timeout, 0)
    assert await late
    assert await overdue(timeout, 60)


async def test_shared_timeout_lets_a_cancellation_pass():
    task = asyncio.create_task(overdue(SharedTimeout(TIMEOUT_S), 60))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_shared_timeout_serves_one_event_loop_after_another():
    timeout = SharedTimeout(TIMEOUT_S)
    assert [asyncio.run(overdue(timeout, seconds)) for seconds in (0, 60)] == [False, True]

"""The id of a request in its log lines."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from stories_shared.runtime.middleware import RequestIdMiddleware
from structlog.contextvars import get_contextvars


async def bound(_request: Request) -> JSONResponse:
    """What each log line of this request carries."""
    await asyncio.sleep(0)
    return JSONResponse(get_contextvars())


async def ask(*given: str) -> list[dict[str, str]]:
    app = RequestIdMiddleware(Starlette(routes=[Route("/", bound)]))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://feed") as client:
        answers = await asyncio.gather(*(client.get("/", headers={"X-Request-Id": each}) for each in given))
    return [answer.json() for answer in answers]


async def test_concurrent_requests_have_their_own_ids():
    ids = [f"tap-{number}.of_Ann" for number in range(5)]
    assert await ask(*ids) == [{"request_id": each} for each in ids]
    assert get_contextvars() == {}


@pytest.mark.parametrize("given", ["", "two words", "x" * 65, "line\tbreak"])
async def test_invalid_request_id_is_not_logged(given):
    assert await ask(given) == [{}]

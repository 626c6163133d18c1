"""No answer overtakes the question: a refusal waits until the request's body is in."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stories_shared.http.problem_middleware import declared_length
from stories_shared.http.strict_json import MAX_BODY_BYTES

DRAIN_TIMEOUT_S = 1.0
"""Somebody who sends a body more slowly than this is answered in the middle of it."""


class DrainBodyMiddleware:
    """ASGI middleware, outermost: begins no answer before the body has been read, up to the size that is taken.

    A connection that is closed with unread bytes in it is reset, and the reset can overtake the answer (RFC 9112,
    9.6): behind a gateway that sends header and body apart, a refusal would now and then be a broken connection.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not 0 < body_length(scope) <= MAX_BODY_BYTES:
            await self.app(scope, receive, send)
            return
        heard, size = False, 0

        async def hear() -> Message:
            nonlocal heard, size
            message = await receive()
            size += len(message.get("body", b""))
            heard = message["type"] != "http.request" or not message.get("more_body", False)
            return message

        async def answer(message: Message) -> None:
            nonlocal heard
            if not heard:
                try:
                    async with asyncio.timeout(DRAIN_TIMEOUT_S):
                        while not heard and size <= MAX_BODY_BYTES:
                            await hear()
                except TimeoutError:
                    heard = True
            await send(message)

        await self.app(scope, hear, answer)


def body_length(scope: Scope) -> int:
    """How many bytes follow the header; as many as are taken where nobody said."""
    chunked = any(name == b"transfer-encoding" for name, _ in scope["headers"])
    return MAX_BODY_BYTES if chunked else declared_length(scope)

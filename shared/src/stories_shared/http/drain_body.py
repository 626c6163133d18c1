"""Reads the request body before sending an early error, so that the connection is not reset."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stories_shared.http.problem_middleware import declared_length
from stories_shared.http.strict_json import MAX_BODY_BYTES

DRAIN_TIMEOUT_S = 1.0
"""A slower body gets its response before it is complete."""


class DrainBodyMiddleware:
    """ASGI middleware, outermost: starts no response before the body is read, up to the maximum size.

    A connection that is closed with unread bytes is reset, and the reset can overtake the response (RFC 9112, 9.6):
    behind a gateway that sends header and body apart, an early error would sometimes be a broken connection.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not 0 < body_length(scope) <= MAX_BODY_BYTES:
            await self.app(scope, receive, send)
            return
        complete, size = False, 0

        async def receive_counted() -> Message:
            nonlocal complete, size
            message = await receive()
            size += len(message.get("body", b""))
            complete = message["type"] != "http.request" or not message.get("more_body", False)
            return message

        async def answer(message: Message) -> None:
            nonlocal complete
            if not complete:
                try:
                    async with asyncio.timeout(DRAIN_TIMEOUT_S):
                        while not complete and size <= MAX_BODY_BYTES:
                            await receive_counted()
                except TimeoutError:
                    complete = True
            await send(message)

        await self.app(scope, receive_counted, answer)


def body_length(scope: Scope) -> int:
    """The declared length of the body in bytes; the maximum if it is chunked."""
    chunked = any(name == b"transfer-encoding" for name, _ in scope["headers"])
    return MAX_BODY_BYTES if chunked else declared_length(scope)

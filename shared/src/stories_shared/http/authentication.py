"""Who asks, as a dependency of FastAPI routes (``Who``, ``Admin``) and as a call for plain Starlette ones."""

from typing import Annotated

from fastapi import Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import Request

from stories_shared.auth.tokens import Authenticator, Caller, Unauthenticated
from stories_shared.http.problems import not_found, unauthenticated

SCHEME = "bearer"


async def caller_of(request: Request) -> Caller:
    """The caller by the request's token, checked once a request. Raises the 401 problem."""
    known: Caller | None = request.scope.get("stories.caller")
    if known is not None:
        return known
    authenticator: Authenticator = request.app.state.authenticator
    tokens = request.headers.getlist("authorization")
    try:
        caller = await authenticator.caller(", ".join(tokens) if tokens else None)  # two are not one token
    except Unauthenticated as error:
        raise unauthenticated(error.reason) from error
    request.scope["stories.caller"] = caller
    return caller


async def admin_of(request: Request) -> Caller:
    """The caller if an admin; to everybody else there is nothing here (404)."""
    caller = await caller_of(request)
    if not caller.is_admin:
        raise not_found()
    return caller


class Bearer(SecurityBase):
    """The security scheme of every route that wants a token."""

    def __init__(self, *, admin: bool = False) -> None:
        self.model = HTTPBearer(bearerFormat="JWT", description="A JWT of the host application")
        self.scheme_name = SCHEME
        self.check = admin_of if admin else caller_of

    async def __call__(self, request: Request) -> Caller:
        return await self.check(request)


Who = Annotated[Caller, Security(Bearer())]
"""Whoever calls: ``async def route(caller: Who)``."""

Admin = Annotated[Caller, Security(Bearer(admin=True))]
"""An admin who calls; others get 404."""

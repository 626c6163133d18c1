"""The caller, as a dependency of FastAPI routes (``CurrentCaller``, ``AdminCaller``) and as a call for raw routes."""

from typing import Annotated

from fastapi import Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import Request

from stories_shared.auth.tokens import Authenticator, Caller, Unauthenticated
from stories_shared.http.problems import not_found, unauthenticated

SCHEME = "bearer"


async def authenticate(request: Request) -> Caller:
    """The caller of the request's token, verified once per request. Raises the 401 problem."""
    known: Caller | None = request.scope.get("stories.caller")
    if known is not None:
        return known
    authenticator: Authenticator = request.app.state.authenticator
    tokens = [value for name, value in request.scope["headers"] if name == b"authorization"]
    try:
        # two are not one token
        caller = await authenticator.caller(b", ".join(tokens).decode("latin-1") if tokens else None)
    except Unauthenticated as error:
        raise unauthenticated(error.reason) from error
    request.scope["stories.caller"] = caller
    return caller


async def require_admin(request: Request) -> Caller:
    """The caller if an admin; otherwise raises the 404 problem."""
    caller = await authenticate(request)
    if not caller.is_admin:
        raise not_found()
    return caller


class Bearer(SecurityBase):
    """The security scheme of every route that needs a token."""

    def __init__(self, *, admin: bool = False) -> None:
        self.model = HTTPBearer()
        self.scheme_name = SCHEME
        self.admin = admin
        self.check = require_admin if admin else authenticate

    async def __call__(self, request: Request) -> Caller:
        return await self.check(request)


CurrentCaller = Annotated[Caller, Security(Bearer())]
"""``async def route(caller: CurrentCaller)``."""

AdminCaller = Annotated[Caller, Security(Bearer(admin=True))]
"""An admin; others get 404."""

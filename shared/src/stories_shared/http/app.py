"""Configures a FastAPI application: authentication, limits, problem documents and documentation."""

from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from stories_shared.auth.tokens import Authenticator
from stories_shared.http import openapi
from stories_shared.http.problem_middleware import ProblemMiddleware, send_problem
from stories_shared.http.problems import Problem


def configure_app(app: FastAPI, authenticator: Authenticator, **state: Any) -> None:
    """Add error handlers, middleware and OpenAPI to ``app``; call it once, before the first request.

    Further keywords (``limits=``) become ``app.state``.
    """
    app.router.redirect_slashes = False
    app.state.authenticator = authenticator
    for name, value in state.items():
        setattr(app.state, name, value)
    for kind in (Problem, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, send_problem)
    app.add_middleware(ProblemMiddleware)
    app.openapi = lambda: openapi.document(app)  # type: ignore[method-assign]

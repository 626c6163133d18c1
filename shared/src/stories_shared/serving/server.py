"""Runs a service's application under uvicorn, with a graceful stop that fits into ten seconds."""

import sys
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from stories_shared import keysets
from stories_shared.settings import Settings

DRAIN_S = 5


def serve(build: Callable[[], FastAPI], settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; open requests get a few seconds to finish.

    Args:
        build: makes the application, inside the event loop's process.
        settings: host, port and ``AUTH_JWKS``.

    Ends the process with status 2 and one line where the key file holds no key.
    """
    try:
        keysets.check(settings.auth_jwks)
    except ValueError as error:
        print(str(error), file=sys.stderr)  # noqa: T201  (as for every other setting)
        raise SystemExit(2) from None
    uvicorn.run(
        build,
        factory=True,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_graceful_shutdown=DRAIN_S,
        timeout_keep_alive=75,
    )

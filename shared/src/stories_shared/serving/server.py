"""Runs a service's application under uvicorn, with a graceful stop that fits into ten seconds."""

from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from stories_shared.settings import Settings

DRAIN_S = 5


def serve(build: Callable[[], FastAPI], settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; open requests get a few seconds to finish.

    Args:
        build: makes the application, inside the event loop's process.
        settings: host and port.
    """
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

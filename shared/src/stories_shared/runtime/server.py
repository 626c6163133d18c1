"""Runs a service's application under uvicorn, with a graceful stop that fits into ten seconds."""

import contextlib
import gc
import socket
import sys
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn
from fastapi import FastAPI

from stories_shared.auth import jwks
from stories_shared.runtime.http_protocol import HttpProtocol
from stories_shared.runtime.service import ServiceRuntime
from stories_shared.runtime.settings import Settings

# Open requests and consumers get this long to finish; background tasks and connections get the rest of ten seconds.
REQUEST_DRAIN_S = 4
STARTUP_FAILED = 3
# Instead of 700, 10, 10: a process has very many objects and few cycles. Counting views spent half of its CPU time on
# collections, and a live index of a million entries makes each full one longer.
GC_THRESHOLDS = (50_000, 20, 50)


class Server(uvicorn.Server):
    """uvicorn's server, with exit status 0 after a requested stop."""

    runtime: ServiceRuntime | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start the deadline of the shutdown at the signal."""
        if self.runtime:
            self.runtime.watchdog.begin_shutdown()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more requests and finish the open ones, while the consumers stop."""
        if self.runtime:
            self.runtime.begin_shutdown()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do not raise a handled signal again: the process would end as if killed by it."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()


def serve(build: Callable[[], FastAPI], settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; open requests get a few seconds to finish.

    Args:
        build: builds the application, inside the event loop's process.
        settings: host, port and ``AUTH_JWKS``.

    Exit status: 0 after SIGTERM or SIGINT, 2 with one line if the key file holds no key, 3 if the application does not
    start, 70 if it stalls (see ``watchdog``).
    """
    try:
        jwks.check(settings.auth_jwks)
    except ValueError as error:
        print(str(error), file=sys.stderr)  # noqa: T201  (as for every other setting)
        raise SystemExit(2) from None

    def build_watched() -> FastAPI:
        app = build()
        server.runtime = app.state.runtime
        server.runtime.watchdog.arm()
        gc.collect()
        gc.freeze()  # what was made at start-up
        return app

    gc.set_threshold(*GC_THRESHOLDS)
    config = uvicorn.Config(
        build_watched,
        factory=True,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=HttpProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_graceful_shutdown=REQUEST_DRAIN_S,
        timeout_keep_alive=75,
    )
    server = Server(config)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if server.runtime:
        server.runtime.watchdog.disarm()
    if not server.started:
        raise SystemExit(STARTUP_FAILED)

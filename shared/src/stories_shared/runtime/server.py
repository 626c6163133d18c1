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
from stories_shared.runtime.garbage_collection import look_rarely
from stories_shared.runtime.service import ServiceRuntime
from stories_shared.runtime.settings import Settings

# Open requests get this long, and consumers about as long beside them; loops and connections have the rest of ten.
REQUESTS_S = 4
STARTUP_FAILED = 3
# Instead of 700, 10, 10: a request makes hundreds of objects, hardly any in cycles, and a fifth of its time went there.
GARBAGE_LOOKED_FOR = (20_000, 20, 20)


class Server(uvicorn.Server):
    """uvicorn's server, ending with 0 when it did what it was told: stop."""

    runtime: ServiceRuntime | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal asks for the stop, which is bounded from now on."""
        if self.runtime:
            self.runtime.watchdog.stopping()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more requests and answer the open ones; consumers stop at the same time."""
        if self.runtime:
            self.runtime.begin_shutdown()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do not raise a signal again that was obeyed: the process would end as if killed by it."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()


def serve(build: Callable[[], FastAPI], settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; open requests get a few seconds to finish.

    Args:
        build: makes the application, inside the event loop's process.
        settings: host, port and ``AUTH_JWKS``.

    Ends the process with status 0 after SIGTERM or SIGINT, with 2 and one line where the key file holds no key, with 3
    where the application does not start, with 70 where it hangs (see ``watchdog``).
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
        look_rarely()
        return app

    gc.set_threshold(*GARBAGE_LOOKED_FOR)
    config = uvicorn.Config(
        build_watched,
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
        timeout_graceful_shutdown=REQUESTS_S,
        timeout_keep_alive=75,
    )
    server = Server(config)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if server.runtime:
        server.runtime.watchdog.disarm()
    if not server.started:
        raise SystemExit(STARTUP_FAILED)

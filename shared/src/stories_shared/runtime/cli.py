"""The command line of every service: `python -m stories_<service>` serves, `… init` creates its own resources."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from fastapi import FastAPI

from stories_shared.errors import failed_dependency
from stories_shared.runtime.logging import configure
from stories_shared.runtime.provision import RETRY_FOR, retry_while_unavailable
from stories_shared.runtime.server import serve
from stories_shared.runtime.settings import Settings, load
from stories_shared.tls import refused_certificate

S = TypeVar("S", bound=Settings)
S_contra = TypeVar("S_contra", bound=Settings, contravariant=True)
INIT, SETTLE = "init", "--settle"
USAGE = 2


class Init(Protocol[S_contra]):
    """Creates topics, collections and indexes; ``settle`` drops the superseded indexes of an earlier release."""

    def __call__(self, settings: S_contra, /, *, settle: bool = False) -> Awaitable[None]: ...


def run(
    service: str,
    kind: type[S],
    build: Callable[[S], FastAPI],
    init: Init[S],
    check: Callable[[S], Coroutine[Any, Any, None]] | None = None,
    arguments: Sequence[str] | None = None,
    retry_for: timedelta = RETRY_FOR,
) -> int:
    """Run the command that the arguments name; return the exit status.

    Args:
        service: its name.
        kind: the class of its settings.
        build: builds the application.
        init: creates the service's own resources.
        check: validates the environment before serving.
        arguments: default: those of the process.
        retry_for: how long ``init`` is retried while a server is unavailable.

    A ``ValueError`` of ``init`` or ``check``, and a server that stays unavailable, is printed as one line, with exit
    status 1.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given not in ([], [INIT], [INIT, SETTLE]):
        print(f"usage: python -m stories_{service} [{INIT} [{SETTLE}]]", file=sys.stderr)  # noqa: T201
        return USAGE
    settings = load(kind)
    configure(service, settings.log_level)
    try:
        if given:
            settle = SETTLE in given
            asyncio.run(retry_while_unavailable(lambda: init(settings, settle=settle), retry_for=retry_for))
            return 0
        if check is not None:
            asyncio.run(check(settings))
    except Exception as error:
        if not isinstance(error, ValueError) and failed_dependency(error) is None:
            raise
        reason = refused_certificate(error)
        print(f"{failed_dependency(error)}: {reason}" if reason else str(error), file=sys.stderr)  # noqa: T201
        return 1
    serve(lambda: build(settings), settings)
    return 0

"""The command line of every service: `python -m stories_<service>` serves, `… init` makes what is its own first."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from fastapi import FastAPI

from stories_shared.runtime.logging import configure
from stories_shared.runtime.server import serve
from stories_shared.runtime.settings import Settings, load

S = TypeVar("S", bound=Settings)
S_contra = TypeVar("S_contra", bound=Settings, contravariant=True)
INIT, SETTLE = "init", "--settle"
USAGE = 2


class Init(Protocol[S_contra]):
    """Makes topics, collections and indexes; ``settle`` drops the indexes that an earlier release left."""

    def __call__(self, settings: S_contra, /, *, settle: bool = False) -> Awaitable[None]: ...


def run(
    service: str,
    kind: type[S],
    build: Callable[[S], FastAPI],
    init: Init[S],
    check: Callable[[S], Awaitable[None]] | None = None,
    arguments: Sequence[str] | None = None,
) -> int:
    """Do what the arguments say; the exit status.

    Args:
        service: its name.
        kind: the class of its settings.
        build: makes the application.
        init: makes what is the service's own.
        check: looks at the world before serving.
        arguments: of the process, unless given. A ``ValueError`` of ``init`` or ``check`` ends it with that one line.
    """
    asked = list(sys.argv[1:] if arguments is None else arguments)
    if asked not in ([], [INIT], [INIT, SETTLE]):
        print(f"usage: python -m stories_{service} [{INIT} [{SETTLE}]]", file=sys.stderr)  # noqa: T201
        return USAGE
    settings = load(kind)
    configure(service, settings.log_level)
    before = init(settings, settle=SETTLE in asked) if asked else check(settings) if check else None
    if before is not None:
        try:
            asyncio.run(_awaited(before))
        except ValueError as error:
            print(str(error), file=sys.stderr)  # noqa: T201
            return 1
    if not asked:
        serve(lambda: build(settings), settings)
    return 0


async def _awaited(work: Awaitable[None]) -> None:
    await work

"""`python -m stories_engagement` serves; `python -m stories_engagement init` makes its topics and indexes."""

import asyncio
import sys

from stories_shared.logging import configure
from stories_shared.serving import serve
from stories_shared.settings import load

from stories_engagement.app import build_app, init
from stories_engagement.settings import EngagementSettings


def main(arguments: list[str]) -> int:
    """Run what the command line asks for; returns the exit status."""
    if arguments not in ([], ["init"]):
        print("usage: python -m stories_engagement [init]", file=sys.stderr)  # noqa: T201
        return 2
    settings = load(EngagementSettings)
    configure("engagement", settings.log_level)
    if arguments:
        asyncio.run(init(settings))
    else:
        serve(lambda: build_app(settings), settings)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""``python -m stories_feed`` serves; ``python -m stories_feed init`` makes indexes and topics first."""

import asyncio
import sys

from stories_shared import logging
from stories_shared.serving import serve
from stories_shared.settings import load

from stories_feed.app import build_app, init
from stories_feed.settings import FeedSettings


def main() -> None:
    """Read the settings and do what the arguments say."""
    settings = load(FeedSettings)
    logging.configure("feed", settings.log_level)
    if sys.argv[1:] == ["init"]:
        asyncio.run(init(settings))
    elif sys.argv[1:]:
        sys.exit("usage: python -m stories_feed [init]")
    else:
        serve(lambda: build_app(settings), settings)


if __name__ == "__main__":
    main()

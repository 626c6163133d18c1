"""`python -m stories_feed` serves; `python -m stories_feed init` makes indexes and topics first."""

import sys

from stories_shared.runtime import cli

from stories_feed.app import build_app, init
from stories_feed.settings import FeedSettings


def main() -> int:
    """Serve, or make what is this service's own."""
    return cli.run("feed", FeedSettings, build_app, init)


if __name__ == "__main__":
    sys.exit(main())

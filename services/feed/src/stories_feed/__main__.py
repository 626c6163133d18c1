"""`python -m stories_feed` serves; `python -m stories_feed init` creates its indexes and topics."""

import sys

from stories_shared.runtime import cli

from stories_feed.app import build_app, init
from stories_feed.settings import FeedSettings


def main() -> int:
    """Serve, or create the service's indexes and topics."""
    return cli.run("feed", FeedSettings, build_app, init)


if __name__ == "__main__":
    sys.exit(main())

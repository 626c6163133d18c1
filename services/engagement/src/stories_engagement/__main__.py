"""`python -m stories_engagement` serves; `python -m stories_engagement init` makes topics and indexes first."""

import sys

from stories_shared.runtime import cli

from stories_engagement.app import build_app, init
from stories_engagement.settings import EngagementSettings


def main() -> int:
    """Serve, or make what is this service's own."""
    return cli.run("engagement", EngagementSettings, build_app, init)


if __name__ == "__main__":
    sys.exit(main())

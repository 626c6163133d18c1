"""`python -m stories_engagement` serves; `python -m stories_engagement init` creates topics and indexes."""

import sys

from stories_shared.runtime import cli

from stories_engagement.app import build_app, init
from stories_engagement.settings import EngagementSettings


def main() -> int:
    """Serve, or create topics and indexes."""
    return cli.run("engagement", EngagementSettings, build_app, init)


if __name__ == "__main__":
    sys.exit(main())

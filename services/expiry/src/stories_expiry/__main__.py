"""`python -m stories_expiry` serves; `python -m stories_expiry init` creates topics and indexes."""

import sys

from stories_shared.runtime import cli

from stories_expiry.app import build_app, init
from stories_expiry.settings import ExpirySettings


def main() -> int:
    """Serve, or create topics and indexes."""
    return cli.run("expiry", ExpirySettings, build_app, init)


if __name__ == "__main__":
    sys.exit(main())

"""`python -m stories_expiry` serves; `python -m stories_expiry init` makes indexes and topics first."""

import sys

from stories_shared.runtime import cli

from stories_expiry.app import build_app, init
from stories_expiry.settings import ExpirySettings


def main() -> int:
    """Serve, or make what is this service's own."""
    return cli.run("expiry", ExpirySettings, build_app, init)


if __name__ == "__main__":
    sys.exit(main())

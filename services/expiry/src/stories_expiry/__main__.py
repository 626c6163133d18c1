"""``python -m stories_expiry`` serves on ``PORT``; ``python -m stories_expiry init`` makes indexes and topics."""

import asyncio
import sys

from stories_shared.logging import configure
from stories_shared.serving import serve
from stories_shared.settings import load

from stories_expiry.app import build_app, init
from stories_expiry.settings import ExpirySettings


def main() -> None:
    """Serve, or make what is expiry's own."""
    settings = load(ExpirySettings)
    configure("expiry", settings.log_level)
    if sys.argv[1:] == ["init"]:
        asyncio.run(init(settings))
    else:
        serve(lambda: build_app(settings), settings)


if __name__ == "__main__":
    main()

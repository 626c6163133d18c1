"""`python -m stories_ingest` serves; `python -m stories_ingest init` makes indexes, topics and the bucket."""

import asyncio
import sys

from stories_shared.logging import configure
from stories_shared.serving import serve
from stories_shared.settings import load

from stories_ingest.app import build_app, check, init
from stories_ingest.settings import IngestSettings


def main() -> None:
    """Serve, or make what is this service's own; a bucket that cannot be used ends it with one line."""
    settings = load(IngestSettings)
    configure("ingest", settings.log_level)
    preparing = sys.argv[1:] == ["init"]
    try:
        asyncio.run(init(settings) if preparing else check(settings))
    except ValueError as error:
        sys.exit(f"{error}")
    if not preparing:
        serve(lambda: build_app(settings), settings)


if __name__ == "__main__":
    main()

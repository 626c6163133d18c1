"""`python -m stories_ingest` serves; `python -m stories_ingest init` makes indexes, topics and the bucket."""

import asyncio
import sys

from stories_shared import logging
from stories_shared.serving import serve
from stories_shared.settings import load

from stories_ingest.app import build_app, init
from stories_ingest.settings import IngestSettings


def main() -> None:
    """Serve, or prepare what is this service's own."""
    settings = load(IngestSettings)
    logging.configure("ingest", settings.log_level)
    if sys.argv[1:] == ["init"]:
        asyncio.run(init(settings))
    else:
        serve(lambda: build_app(settings), settings)


if __name__ == "__main__":
    main()

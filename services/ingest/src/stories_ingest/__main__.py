"""`python -m stories_ingest` serves; `python -m stories_ingest init` creates indexes, topics and the bucket first."""

import sys

from stories_shared.runtime import cli

from stories_ingest.app import build_app, check, init
from stories_ingest.settings import IngestSettings


def main() -> int:
    """Serve, or provision this service's indexes, topics and bucket."""
    return cli.run("ingest", IngestSettings, build_app, init, check)


if __name__ == "__main__":
    sys.exit(main())

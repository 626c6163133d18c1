"""`python -m stories_embedded.init`: the `init` of every service in one process.

Four processes would load the same libraries four times, which is most of the time that `init` takes.
"""

import asyncio
import sys
from importlib import import_module

from stories_shared.events.cloudevents import SERVICES
from stories_shared.runtime import logging
from stories_shared.runtime.settings import load

from .services import settings_class


async def init_all() -> None:
    """Create topics, bucket and indexes of every service. The environment holds the settings common to them."""
    async with asyncio.TaskGroup() as group:
        for service in SERVICES:
            settings = load(settings_class(service), {"mongo_database": f"stories_{service}"})
            group.create_task(import_module(f"stories_{service}.app").init(settings))


def main() -> None:
    """Run it."""
    logging.configure("init", "WARNING")
    try:
        asyncio.run(init_all())
    except* Exception as group:  # noqa: BLE001 - any error is printed and ends the start
        for error in group.exceptions:
            sys.stderr.write(f"init: {type(error).__name__}: {error}\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()

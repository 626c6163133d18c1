"""Which parts of a checkout are installed beside the command line; an image has none of them."""

from importlib.util import find_spec
from pathlib import Path

from stories_shared.events.cloudevents import SERVICES

EMBEDDED = find_spec("stories_embedded") is not None
"""Whether the servers of `stories up` are installed."""

INSTALLED_SERVICES = tuple(name for name in SERVICES if find_spec(f"stories_{name}") is not None)


def checkout_with(package: str) -> Path | None:
    """The root of the checkout with this package (`tests.chaos`), or None."""
    if not EMBEDDED:
        return None
    from stories_embedded.paths import CHECKOUT

    return CHECKOUT if (CHECKOUT / package.replace(".", "/") / "__main__.py").is_file() else None

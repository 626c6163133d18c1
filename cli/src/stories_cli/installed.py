"""Which parts of a checkout are installed beside the command line; an image has none of them."""

from importlib.util import find_spec
from pathlib import Path

from stories_shared.events.cloudevents import SERVICES

EMBEDDED = find_spec("stories_embedded") is not None
"""Whether the servers of `stories up` are installed."""

INSTALLED_SERVICES = tuple(name for name in SERVICES if find_spec(f"stories_{name}") is not None)


def chaos_folder() -> Path | None:
    """The root of the checkout with the fault-injection tests, or None."""
    return _checkout_with("tests/chaos")


def benchmarks_folder() -> Path | None:
    """The root of the checkout with the benchmarks, or None."""
    return _checkout_with("benchmarks")


def _checkout_with(package: str) -> Path | None:
    if not EMBEDDED:
        return None
    from stories_embedded.paths import CHECKOUT

    return CHECKOUT if (CHECKOUT / package / "__main__.py").is_file() else None

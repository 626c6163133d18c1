"""The documents that are made from code: settings, metrics and AsyncAPI. `python -m stories_cli.docs` writes them.

They are committed, and a test compares. OpenAPI and the gateway's routes are made by `stories_embedded.openapi`.
"""

from pathlib import Path

from . import asyncapi, metrics, settings

CHECKOUT = Path(__file__).parents[4]


def documents() -> dict[Path, str]:
    """Every document's text by its path."""
    docs = CHECKOUT / "docs"
    return {
        docs / "settings.md": settings.page(),
        docs / "metrics.md": metrics.page(),
        docs / "asyncapi.yaml": asyncapi.page(),
    }


def write() -> list[Path]:
    """Write those that differ; which they were."""
    stale = [
        path for path, text in documents().items() if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        path.write_text(documents()[path], encoding="utf-8")
    return stale

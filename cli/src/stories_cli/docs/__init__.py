"""The documents that are made from code: settings, metrics, AsyncAPI and JSON Schemas.

`python -m stories_cli.docs` writes them. They are committed, and a test compares. OpenAPI and the gateway's routes are
made by `stories_embedded.openapi`.
"""

from pathlib import Path

from . import asyncapi, metrics, schemas, settings

CHECKOUT = Path(__file__).parents[4]
SCHEMAS = CHECKOUT / "shared" / "schemas"


def documents() -> dict[Path, str]:
    """Every document's text by its path."""
    docs = CHECKOUT / "docs"
    return {
        docs / "settings.md": settings.page(),
        docs / "metrics.md": metrics.page(),
        docs / "asyncapi.yaml": asyncapi.page(),
    } | {SCHEMAS / name: text for name, text in schemas.pages().items()}


def write() -> list[Path]:
    """Write those that differ; which they were."""
    stale = [
        path for path, text in documents().items() if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(documents()[path], encoding="utf-8")
    return stale

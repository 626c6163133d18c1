"""The documents that are made from code: settings, metrics, AsyncAPI, JSON Schemas and dashboards.

`python -m stories_cli.docs` writes them. They are committed, and a test compares. OpenAPI and the gateway's routes are
made by `stories_embedded.openapi`.
"""

from pathlib import Path

from . import asyncapi, dashboards, metrics, schemas, settings

CHECKOUT = Path(__file__).parents[4]
SCHEMAS = CHECKOUT / "shared" / "schemas"
DASHBOARDS = CHECKOUT / "deploy" / "grafana" / "dashboards"


def documents() -> dict[Path, str]:
    """Every document's text by its path."""
    docs = CHECKOUT / "docs"
    drawn = {DASHBOARDS / name: text for name, text in dashboards.pages().items()}
    made = {SCHEMAS / name: text for name, text in schemas.pages().items()}
    return {
        docs / "settings.md": settings.page(),
        docs / "metrics.md": metrics.page(),
        docs / "asyncapi.yaml": asyncapi.page(),
        **made,
        **drawn,
    }


def write() -> list[Path]:
    """Write those that differ; which they were."""
    stale = [
        path for path, text in documents().items() if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(documents()[path], encoding="utf-8")
    return stale

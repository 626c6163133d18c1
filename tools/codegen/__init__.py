"""What is made from code: documents, JSON Schemas, dashboards, what the charts take, and Strimzi's resources.

`python -m tools.codegen` writes them. They are committed, and a test compares. OpenAPI and the gateway's routes are
made by `stories_embedded.openapi`.
"""

from pathlib import Path

from . import asyncapi, dashboards, helm, metrics, schemas, settings, strimzi

CHECKOUT = Path(__file__).parents[2]
SCHEMAS = CHECKOUT / "shared" / "schemas"
DASHBOARDS = CHECKOUT / "deploy" / "grafana" / "dashboards"


def documents() -> dict[Path, str]:
    """Every document's text by its path."""
    docs, deploy = CHECKOUT / "docs", CHECKOUT / "deploy"
    drawn = {DASHBOARDS / name: text for name, text in dashboards.pages().items()}
    made = {SCHEMAS / name: text for name, text in schemas.pages().items()}
    return {
        docs / "settings.md": settings.page(),
        docs / "metrics.md": metrics.page(),
        docs / "asyncapi.yaml": asyncapi.page(),
        docs / "acls.md": strimzi.page(),
        deploy / "strimzi" / "topics.yaml": strimzi.strimzi_topics(),
        deploy / "strimzi" / "users.yaml": strimzi.strimzi_users(),
        **helm.files(deploy / "helm"),
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

"""docs/settings.md: every setting of every service, from the classes that read them."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from stories_embedded.services import settings_class
from stories_shared.events.cloudevents import SERVICES
from stories_shared.runtime.settings import ObjectStoreSettings, Settings, duration_text

OF_THE_GATEWAY = (
    ("CORS_ORIGINS", "none", "origins of browsers that may call"),
    ("GATEWAY_METRICS_PORT", "`8081`", "where Prometheus scrapes Caddy's metrics; not to be published"),
    ("MEDIA_ORIGIN", "`https:`", "where the web client at `/app/` loads media from and uploads to (its CSP)"),
    ("OIDC_CLIENT_ID", "none", "the web client's id at the provider `AUTH_ISSUER`, a public client with PKCE"),
    (
        "OIDC_SCOPE",
        "`openid`",
        "the scope that it requests; add `offline_access` if the provider requires it for refresh tokens",
    ),
    ("SHARE_APP_URL", "none", "where a shared link redirects instead of showing the static page, with `{id}` in it"),
)
HEAD = """# Settings

For operators: every setting of every service, generated from the code by `make docs`. Settings are environment
variables with exactly these names, read once at start. Each can also come from a file, whose path is in
`NAME_FILE`. A missing or wrong setting stops the start with one line that names it.

Durations are written `500ms`, `20s`, `15m`, `24h`, `90d`; a number without a unit is seconds. Lists are separated by
commas. `stories env SERVICE` prints the settings of a service in a running stack.
"""


def page() -> str:
    """The whole page."""
    common = {name: field for name, field in Settings.model_fields.items() if name != "mongo_database"}
    parts = [HEAD, section("Every service", common)]
    parts.append(section("Services with objects: ingest and feed", ObjectStoreSettings.model_fields))
    shared = (Settings.model_fields.keys() | ObjectStoreSettings.model_fields.keys()) - {"mongo_database"}
    for service in SERVICES:
        fields = settings_class(service).model_fields
        own = {name: field for name, field in fields.items() if name not in shared}
        parts.append(section(f"Only {service}", own))
    parts.append(table("The gateway", OF_THE_GATEWAY))
    return "\n".join(parts)


def section(title: str, fields: Mapping[str, FieldInfo]) -> str:
    """One table of settings, required ones first."""
    rows = [(name.upper(), default_of(field), field.description or "") for name, field in fields.items()]
    return table(title, sorted(rows, key=lambda row: row[1] != "**required**"))


def table(title: str, rows: Iterable[tuple[str, str, str]]) -> str:
    """A heading and a table of name, default and meaning."""
    lines = [f"| `{name}` | {default} | {what} |" for name, default, what in rows]
    return "\n".join((f"## {title}", "", "| setting | default | meaning |", "| --- | --- | --- |", *lines, ""))


def default_of(field: FieldInfo) -> str:
    """The default as written in the environment."""
    if field.default is PydanticUndefined:
        return "**required**"
    text = written(field.default)
    return f"`{text}`" if text else "none"


def written(value: Any) -> str:
    """A value as written in the environment."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return duration_text(value)
    if isinstance(value, tuple | list):
        return ",".join(written(each) for each in value)
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return "" if value is None else str(value)

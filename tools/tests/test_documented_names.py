"""Names in documents exist in the code, and what the code defines is used and documented.

Covers routes, settings, topics, problem types, metrics, headers and commands.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from prometheus_client.metrics import MetricWrapperBase
from stories_cli.app import app
from stories_embedded.services import setting_names, settings_class
from stories_shared.events import EVENTS, UserErased
from stories_shared.events.cloudevents import SERVICES, headers_of
from stories_shared.http.problems import KINDS
from stories_shared.runtime.metrics import MetricsRegistry

from tools.codegen import CHECKOUT, asyncapi, metrics
from tools.codegen.settings import OF_THE_GATEWAY

SOURCES = ("shared/src", "services/*/src", "cli/src", "deploy/embedded/src")
HISTORY = ("docs/decisions", "CHANGELOG.md")
"""Documents that may contain names that were removed or rejected."""


@cache
def code() -> dict[Path, str]:
    """The text of every module of the product."""
    found = [path for pattern in SOURCES for path in CHECKOUT.glob(f"{pattern}/**/*.py") if "testing" not in path.parts]
    return {path: path.read_text(encoding="utf-8") for path in found}


@cache
def pages() -> dict[str, str]:
    """Every hand-written or generated page for readers."""
    paths = [*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md"), *CHECKOUT.glob("deploy/**/*.md")]
    named = {str(path.relative_to(CHECKOUT)): path.read_text(encoding="utf-8") for path in sorted(paths)}
    return {name: text for name, text in named.items() if not name.startswith(HISTORY)}


def mentioned(pattern: str) -> dict[str, set[str]]:
    """Matches in the pages, with their locations."""
    found: dict[str, set[str]] = {}
    for name, text in pages().items():
        for match in re.findall(pattern, text):
            found.setdefault(match, set()).add(name)
    return found


def elsewhere(*excluded: str) -> str:
    """All code except these files."""
    return "\n".join(text for path, text in code().items() if path.name not in excluded)


# Routes


@cache
def operations() -> set[tuple[str, str]]:
    """Method and path template of every operation."""
    document = json.loads((CHECKOUT / "docs" / "openapi.json").read_text())
    return {(method.upper(), path) for path, item in document["paths"].items() for method in item}


def path_pattern(template: str) -> re.Pattern[str]:
    """A pattern for a path in a page: any segment for a parameter."""
    return re.compile(
        "".join(r"[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{.*?\})", template))
    )


def test_every_route_that_a_page_names_exists() -> None:
    patterns = [path_pattern(path) for _, path in operations()]
    known = {"/v1/openapi.json"}
    for path, where in mentioned(r"(/v1/[A-Za-z0-9_{}./…-]*[A-Za-z0-9_}…])(?![A-Za-z0-9_{}/*])").items():
        shape = path.replace("…", "x").rstrip(".")
        whole = any(pattern.fullmatch(shape) for pattern in patterns)
        begin = path.endswith(("…", "/")) and any(each.startswith(path.rstrip("…")) for _, each in operations())
        assert whole or begin or shape in known, f"{path} in {sorted(where)}: no such route"


# Settings


def test_every_setting_is_read_by_code() -> None:
    text = elsewhere("settings.py")
    for kind in map(settings_class, SERVICES):
        for name in kind.model_fields:
            own = Path(import_module(kind.__module__).__file__ or "").read_text(encoding="utf-8")
            shared = (CHECKOUT / "shared/src/stories_shared/runtime/settings.py").read_text(encoding="utf-8")
            used = re.search(rf"\.{name}\b", text) or re.search(rf"\bself\.{name}\b|\bsettings\.{name}\b", own + shared)
            assert used or name.upper() in {each[0] for each in OF_THE_GATEWAY}, f"{name.upper()}: no code reads it"


def test_every_setting_that_a_page_names_exists() -> None:
    known = setting_names()
    files = [*CHECKOUT.glob("Makefile"), *CHECKOUT.glob("docker-compose.yml"), *CHECKOUT.glob("conftest.py")]
    files += [
        path for path in (CHECKOUT / "deploy").rglob("*") if path.is_file() and path.suffix not in {".md", ".pyc"}
    ]
    files += (CHECKOUT / "tests").rglob("*.py")
    other = "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in files) + elsewhere()
    for name, where in mentioned(r"`(?:export )?([A-Z][A-Z0-9]*_[A-Z0-9_]*[A-Z0-9])(?:=[^`\n]*)?`").items():
        plain = name.removesuffix("_FILE")
        of_opentelemetry = name.startswith("OTEL_")  # its SDK reads them
        found = name in known or plain in known or of_opentelemetry or re.search(rf"\b{name}\b", other)
        assert found, f"{name} in {sorted(where)}: no such setting"


# Topics and events


def test_every_topic_that_a_page_names_exists() -> None:
    topics = set(yaml.safe_load((CHECKOUT / "deploy" / "topics.yml").read_text())["topics"])
    assert topics == EVENTS.keys()
    for name, where in mentioned(r"`((?:story|user)-[a-z-]+[a-z])`").items():
        assert name in topics, f"{name} in {sorted(where)}: no such topic"


def test_every_topic_is_documented_and_has_a_producer() -> None:
    text = elsewhere("events.py")
    for name, event in EVENTS.items():
        assert f"`{name}`" in "\n".join(pages().values()), f"{name}: no page names it"
        assert re.search(rf"\b{event.__name__}\b", text), f"{name}: no code knows it"


def test_asyncapi_headers_equal_the_published_ones() -> None:
    event = UserErased(user_id="ann", at=datetime.now(UTC))
    written = {name for name, _ in headers_of(event, "/stories/expiry", "id", datetime.now(UTC))}
    assert asyncapi.HEADERS["properties"].keys() == written


# Problem types


def test_every_problem_type_that_a_page_names_exists() -> None:
    for slug, where in mentioned(r"urn:stories:([a-z][a-z-]*[a-z])").items():
        assert slug in KINDS, f"{slug} in {sorted(where)}: no such problem type"


@pytest.mark.parametrize("slug", KINDS)
def test_every_problem_type_is_raised_and_documented(slug: str) -> None:
    assert f"urn:stories:{slug}" in "\n".join(pages().values())
    raised = rf"[\"']{slug}[\"']|\{{[^}}]*\}}-{slug.partition('-')[2]}\""
    table = (CHECKOUT / "shared/src/stories_shared/http/problems.py").read_text(encoding="utf-8").count(f'"{slug}"')
    assert table > 1 or re.search(raised, elsewhere("problems.py")), "no code answers with it"


# Metrics


@cache
def registry() -> dict[str, str]:
    """The attribute of each metric, by metric name."""
    found: dict[str, str] = {}
    for kind in metrics.SERVICES.values():
        made: Any = kind(MetricsRegistry())
        for attribute, metric in vars(made).items():
            if isinstance(metric, MetricWrapperBase):
                found[metric._name] = attribute
    return found


def test_every_metric_is_measured() -> None:
    assert len(registry()) > 30
    text = elsewhere()
    for name, attribute in registry().items():
        assert len(re.findall(rf"\.{attribute}\b", text)) > 1, f"{name}: no code sets it"


def test_every_metric_that_pages_rules_and_dashboards_name_exists() -> None:
    recorded = set()
    named: dict[str, set[str]] = mentioned(r"`(stories_[a-z0-9_]+)(?:\{[^`]*)?`")
    for path in [*CHECKOUT.glob("deploy/prometheus/rules/*.yml"), *CHECKOUT.glob("deploy/grafana/dashboards/*.json")]:
        text = path.read_text(encoding="utf-8")
        recorded |= set(re.findall(r"record: (\S+)", text))
        for name in re.findall(r"(?<![\w:])(stories_[a-z0-9_]+)(?![\w:])", text):
            named.setdefault(name, set()).add(path.name)
    databases = {f"stories_{service}" for service in SERVICES}
    packages = {path.name for path in CHECKOUT.glob("*/src/stories_*")} | {
        path.name for path in CHECKOUT.glob("*/*/src/stories_*")
    }
    for name, where in named.items():
        plain = re.sub(r"_(total|bucket|sum|count|created)$", "", name)
        assert {name, plain} & (registry().keys() | databases | packages | recorded), (
            f"{name} in {sorted(where)}: no such metric"
        )


# Commands


def commands() -> set[str]:
    """Every command of the CLI, groups included."""

    def walk(command: Any, name: str) -> Iterator[str]:
        for part, inner in getattr(command, "commands", {}).items():
            yield f"{name} {part}".strip()
            yield from walk(inner, f"{name} {part}".strip())

    return set(walk(typer.main.get_command(app), ""))


def test_every_command_that_a_page_names_exists() -> None:
    known = commands()
    groups = {name.split()[0] for name in known if " " in name}
    uses: dict[str, set[str]] = mentioned(r"(?:bin/stories|`stories|rm cli|\nstories) ([a-z][a-z-]*(?: [a-z][a-z-]*)?)")
    for name in ("deploy/grafana/dashboards", "deploy/prometheus/rules"):
        for path in (CHECKOUT / name).iterdir():
            for use in re.findall(r"`stories ([a-z][a-z-]*(?: [a-z][a-z-]*)?)", path.read_text(encoding="utf-8")):
                uses.setdefault(use, set()).add(path.name)
    assert uses
    for use, where in uses.items():
        command, _, more = use.partition(" ")
        right = f"{command} {more}".strip() in known if command in groups and more else command in known
        assert right, f"stories {use} in {sorted(where)}: no such command"

"""Every query of every panel and every rule, from the files that Grafana and Prometheus load."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from stories_embedded.paths import CHECKOUT

PROMETHEUS = CHECKOUT / "deploy" / "prometheus"
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
RULE_TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
GRAFANA = CHECKOUT / "deploy" / "grafana"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
RUNBOOKS = CHECKOUT / "docs" / "runbooks"

VARIABLES = {"$__rate_interval": "1m", "$__range": "5m", "$instance": ".*"}
BRACES_OR_COMPARISON = re.compile(r'\{[^{}]*\}|"[^"]*"|(>=|<=|==|!=|>|<)(?!\s*bool)')
ABSENT = re.compile(r"^absent\(([^()]*)\)")


@dataclass(frozen=True)
class LocatedQuery:
    """One query and its location."""

    where: str
    expr: str

    @property
    def of_exporter(self) -> bool:
        """Whether it queries an exporter, which only compose and clusters have."""
        return bool(re.search(r"\b(kafka|mongodb|kubelet|node|kube)_|-exporter\b", self.expr))


def document(path: Path) -> Any:
    """A YAML or JSON file."""
    return yaml.safe_load(path.read_text())


def rules() -> list[dict[str, Any]]:
    """Every recording rule and alert."""
    return [rule for path in RULES for group in document(path)["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    """Every alert."""
    return [rule for rule in rules() if "alert" in rule]


def panels(dashboard: Any) -> list[dict[str, Any]]:
    """Every panel except rows."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def panel_queries() -> Iterator[LocatedQuery]:
    """The queries of panels as Grafana sends them, and those of variables and annotations."""
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        for panel in panels(dashboard):
            for target in panel["targets"]:
                yield LocatedQuery(f"{path.stem}: {panel['title']}", interpolated(target["expr"]))
        for annotation in dashboard["annotations"]["list"]:
            yield LocatedQuery(f"{path.stem}: annotation", measured(interpolated(annotation["expr"])))
        for variable in dashboard["templating"]["list"]:
            if found := re.fullmatch(r"label_values\((.*), (\w+)\)", variable.get("definition", "")):
                yield LocatedQuery(f"{path.stem}: ${variable['name']}", found[1])


def rule_queries() -> Iterator[LocatedQuery]:
    """The query of every rule; of an alert its left side, because a healthy system fires none."""
    for rule in rules():
        name = rule.get("alert") or f"{rule['record']} {rule['labels']}"
        yield LocatedQuery(name, measured(rule["expr"]) if "alert" in rule else rule["expr"])


def interpolated(expr: str) -> str:
    """A query with Grafana's variables replaced."""
    for name, value in VARIABLES.items():
        expr = expr.replace(name, value)
    assert "$" not in expr, expr
    return expr


def measured(expr: str) -> str:
    """The expression of an alert, changed so that it has a value also if it does not fire."""
    expr = ABSENT.sub(r"\1", expr)
    return BRACES_OR_COMPARISON.sub(lambda found: f"{found[1]} bool" if found[1] else found[0], expr)

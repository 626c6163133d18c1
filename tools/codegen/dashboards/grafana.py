"""The part of Grafana's dashboard model that the dashboards use: rows of panels, laid out from left to right."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

WIDTH = 24  # columns of Grafana's grid
SCHEMA_VERSION = 39  # of Grafana 10.4; newer ones migrate it when they read it
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
TAG = "stories"

Kind = Literal["timeseries", "stat", "bargauge", "heatmap"]


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression and the legend of its series."""

    expr: str
    legend: str

    def __str__(self) -> str:
        return self.expr

    def named(self, legend: str) -> "Query":
        """The same with another legend."""
        return Query(self.expr, legend)

    def or_zero(self, of: "Query") -> "Query":
        """The same with zero for the series of `of` that it lacks."""
        return Query(f"{self} or 0 * {of}", self.legend)


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `unit` is a Grafana unit id; `thresholds` are the values from which it turns amber, then red."""

    title: str
    description: str
    unit: str
    queries: Query | Sequence[Query]
    kind: Kind = "timeseries"
    width: int = 8
    height: int = 8
    thresholds: Sequence[float] = ()
    falling: bool = False
    """Whether lower is worse: red below the second threshold, amber below the first."""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard. The variable `instance` selects replicas of `job`."""

    uid: str
    title: str
    description: str
    rows: Sequence[Row]
    job: str | None = None

    def text(self) -> str:
        """The JSON for Grafana's file provider and API."""
        return json.dumps(self.document(), indent=2, ensure_ascii=False) + "\n"

    def document(self) -> dict[str, Any]:
        """The dashboard as Grafana's document."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": [TAG],
            "schemaVersion": SCHEMA_VERSION,
            "editable": False,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": "now-3h", "to": "now"},
            "timezone": "browser",
            "templating": {"list": self._variables()},
            "annotations": {"list": [self._restarts()]},
            "links": [
                {"type": "dashboards", "tags": [TAG], "title": "Stories", "asDropdown": True, "keepTime": True},
            ],
            "panels": self._panels(),
        }

    def _variables(self) -> list[dict[str, Any]]:
        datasource = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
        if self.job is None:
            return [datasource]
        query = f'label_values(stories_build_info{{job="{self.job}"}}, instance)'
        instance = {
            "name": "instance",
            "label": "Replica",
            "type": "query",
            "datasource": DATASOURCE,
            "query": query,
            "definition": query,
            "refresh": 2,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
        }
        return [datasource, instance]

    def _restarts(self) -> dict[str, Any]:
        jobs = self.job or "ingest|feed|engagement|expiry"
        return {
            "name": "Restarts",
            "datasource": DATASOURCE,
            "enable": True,
            "expr": f'changes(process_start_time_seconds{{job=~"{jobs}"}}[1m]) > 0',
            "titleFormat": "{{job}} {{instance}} restarted",
            "iconColor": "orange",
        }

    def _panels(self) -> list[dict[str, Any]]:
        panels: list[dict[str, Any]] = []
        y = 0
        for row in self.rows:
            position = {"x": 0, "y": y, "w": WIDTH, "h": 1}
            panels.append({"id": len(panels) + 1, "type": "row", "title": row.title, "gridPos": position, "panels": []})
            x, y, tallest = 0, y + 1, 0
            for panel in row.panels:
                if x + panel.width > WIDTH:
                    x, y, tallest = 0, y + tallest, 0
                position = {"x": x, "y": y, "w": panel.width, "h": panel.height}
                panels.append({"id": len(panels) + 1, "gridPos": position, **panel_document(panel)})
                x, tallest = x + panel.width, max(tallest, panel.height)
            y += tallest
        return panels


def panel_document(panel: Panel) -> dict[str, Any]:
    """One panel without its id and position."""
    targets = [
        {
            "refId": chr(ord("A") + number),
            "datasource": DATASOURCE,
            "expr": query.expr,
            "legendFormat": query.legend,
            "format": "heatmap" if panel.kind == "heatmap" else "time_series",
            **({"instant": True, "range": False} if panel.kind == "bargauge" else {}),
        }
        for number, query in enumerate([panel.queries] if isinstance(panel.queries, Query) else panel.queries)
    ]
    steps = _steps(panel)
    defaults: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.kind == "timeseries":
        drawing = {"lineWidth": 1, "fillOpacity": 8, "showPoints": "never", "spanNulls": False}
        lines = {"thresholdsStyle": {"mode": "dashed" if panel.thresholds else "off"}}
        defaults |= {"min": 0, "custom": drawing | lines, "color": {"mode": "palette-classic"}}
    elif panel.kind != "heatmap":
        defaults |= {"color": {"mode": "thresholds"}}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _options(panel),
    }


def _steps(panel: Panel) -> list[dict[str, Any]]:
    amber, red = (*panel.thresholds, None, None)[:2]
    if panel.falling:
        named = [("red", None), ("orange", red), ("green", amber)]
    else:
        named = [("green", None), ("orange" if red is not None else "red", amber), ("red", red)]
    return [{"color": color, "value": value} for n, (color, value) in enumerate(named) if n == 0 or value is not None]


def _options(panel: Panel) -> dict[str, Any]:
    reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    match panel.kind:
        case "timeseries":
            legend = {
                "displayMode": "table",
                "placement": "bottom",
                "showLegend": True,
                "calcs": ["lastNotNull", "max"],
            }
            return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
        case "stat":
            return {"reduceOptions": reduced, "colorMode": "value", "graphMode": "area", "textMode": "auto"}
        case "bargauge":
            return {"reduceOptions": reduced, "displayMode": "basic", "orientation": "horizontal"}
        case "heatmap":
            colors = {"mode": "scheme", "scheme": "Oranges", "steps": 64}
            return {"calculate": False, "color": colors, "yAxis": {"unit": panel.unit}, "cellGap": 1}

"""Dashboards are complete, without overlaps, and every panel has a description."""

import json
from pathlib import Path
from typing import Any

import pytest

from tools.codegen.dashboards.grafana import DATASOURCE, WIDTH

from .sources import DASHBOARDS, panels

UNITS = {"s", "short", "reqps", "ops", "cps", "bytes", "decmbytes", "percentunit", "µs"}
dashboards = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_there_is_an_overview_one_for_each_service_and_server() -> None:
    expected = {"overview", "ingest", "feed", "engagement", "expiry", "kafka", "mongodb"}
    assert {path.stem for path in DASHBOARDS} == {f"stories-{name}" for name in expected}
    assert {read(path)["uid"] for path in DASHBOARDS} == {path.stem for path in DASHBOARDS}
    assert len({read(path)["title"] for path in DASHBOARDS}) == len(DASHBOARDS)


@dashboards
def test_panels_have_unique_ids_and_do_not_overlap(path: Path) -> None:
    everything = read(path)["panels"]
    ids = [panel["id"] for panel in everything]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in everything:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= WIDTH
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


@dashboards
def test_each_panel_has_a_description_and_a_unit(path: Path) -> None:
    titles = [panel["title"] for panel in panels(read(path))]
    assert len(set(titles)) == len(titles)
    for panel in panels(read(path)):
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        values = [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
        assert values[0] is None
        assert values[1:] == sorted(values[1:]), panel["title"]


@dashboards
def test_queries_use_the_selected_datasource_and_replicas(path: Path) -> None:
    dashboard = read(path)
    names = [variable["name"] for variable in dashboard["templating"]["list"]]
    assert names[0] == "datasource"
    for panel in panels(dashboard):
        assert panel["datasource"] == DATASOURCE
        references = [target["refId"] for target in panel["targets"]]
        assert references
        assert len(set(references)) == len(references)
        for target in panel["targets"]:
            assert target["datasource"] == DATASOURCE
            assert ("$instance" in target["expr"]) == ("instance" in names), panel["title"]

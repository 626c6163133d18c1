"""Growth after the first hour is reported, fluctuation is not, and the plot has every process."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from stories_embedded.data_dir import ProcessState

from .soak import EVERY_S, SHORTEST_S, WARM_S, Soak
from .svg_chart import Chart, page
from .topology import Topology


def soaked(folder: Path, seconds: float, per_hour: float) -> Soak:
    """A soak of one process whose memory grows by so many MiB an hour after the first, and breathes besides."""
    cluster: Any = None
    soak = Soak(cluster, folder)
    for number in range(int(seconds / EVERY_S)):
        at = number * EVERY_S
        memory = 200.0 + 20 * (number % 7) / 7 + max(0.0, at - WARM_S) / 3600 * per_hour
        soak.samples.append((at, {"memory, MiB": {"feed": memory}, "disk, MiB": {}, "connections": {"feed": 40.0}}))
    return soak


def test_growing_memory_is_reported(tmp_path: Path) -> None:
    assert list(soaked(tmp_path, 3 * 3600, 10).grown()) == []
    [named] = soaked(tmp_path, 3 * 3600, 200).grown()
    assert named.startswith("memory, MiB of feed: 2")


def test_soak_reports_nothing_without_enough_samples(tmp_path: Path) -> None:
    assert list(soaked(tmp_path, WARM_S + SHORTEST_S - 60, 10_000).grown()) == []
    assert list(soaked(tmp_path, 0, 0).grown()) == []


@dataclass
class Halved:
    """A cluster in which one process runs and another is about to be started again."""

    folder: Path
    topology: Topology = field(default_factory=Topology)

    def processes(self) -> dict[str, ProcessState]:
        return {"feed": ProcessState("feed", os.getpid()), "expiry": ProcessState("expiry")}


def test_stopped_process_has_no_samples(tmp_path: Path) -> None:
    cluster: Any = Halved(tmp_path)
    sample = Soak(cluster, tmp_path).sample()
    assert sample["memory, MiB"].keys() == sample["connections"].keys() == {"feed"}
    assert sample["memory, MiB"]["feed"] > 1


def test_the_plot_has_a_line_for_each_process(tmp_path: Path) -> None:
    drawn = ET.parse(soaked(tmp_path, 600, 0).draw()).getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert len(list(drawn.iter(f"{space}polyline"))) == 2
    names = [text.text for text in drawn.iter(f"{space}text")]
    assert {"memory, MiB", "disk, MiB", "connections", "feed"} <= set(names)


def test_an_empty_chart_and_odd_names_are_drawn_too() -> None:
    ET.fromstring(page([Chart("nothing", {}), Chart("<odd>", {"a & b": [(0.0, 0.0)]})]))

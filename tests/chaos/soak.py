"""A soak: samples memory, disk and connections of every process, and detects growth."""

import asyncio
import json
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from .cluster import Cluster
from .svg_chart import Chart, page

EVERY_S, DRAW_EVERY_S = 15.0, 300.0
WARM_S = 3600.0
"""Warm-up time; after it, memory may fluctuate but not grow."""
SHORTEST_S = 1200.0
"""Minimum duration after the warm-up before growth is reported."""
WINDOW_S = 600.0
GROWTH = 1.3
SLACK = {"memory, MiB": 64.0, "disk, MiB": 256.0, "connections": 32.0}
Sample = dict[str, dict[str, float]]


@dataclass
class Soak:
    """Samples by metric, then by process."""

    cluster: Cluster
    folder: Path
    samples: list[tuple[float, Sample]] = field(default_factory=list)

    async def run(self) -> None:
        """Sample and plot for ever."""
        drawn = time.time()
        while True:
            self.samples.append((time.time(), await asyncio.to_thread(self.sample)))
            with (self.folder / "soak.jsonl").open("a") as file:
                file.write(json.dumps(self.samples[-1]) + "\n")
            if time.time() > drawn + DRAW_EVERY_S:
                drawn = time.time()
                self.draw()
            await asyncio.sleep(EVERY_S)

    def draw(self) -> Path:
        """Write the plot."""
        path = self.folder / "soak.svg"
        path.write_text(page([self._chart(figure) for figure in SLACK]))
        return path

    def grown(self) -> Iterator[str]:
        """Everything that is much larger than after its first hour."""
        if not self.samples:
            return
        began, last = self.samples[0][0], self.samples[-1][0]
        if last - began < WARM_S + SHORTEST_S:
            return
        for figure, slack in SLACK.items():
            for name in self.samples[-1][1][figure]:
                then = self._median(figure, name, began + WARM_S - WINDOW_S, began + WARM_S)
                now = self._median(figure, name, last - WINDOW_S, last)
                if now > then * GROWTH + slack:
                    yield f"{figure} of {name}: {then:.0f} after an hour, {now:.0f} at the end"

    def _median(self, figure: str, name: str, since: float, until: float) -> float:
        found = [sample[figure].get(name, 0.0) for at, sample in self.samples if since <= at <= until]
        return statistics.median(found) if found else 0.0

    def sample(self) -> Sample:
        """The resources of each running process, and the size of each folder."""
        memory, connections = {}, {}
        for name, state in self.cluster.processes().items():
            if state.pid is None:  # stopped; psutil would take None as this process
                continue
            try:
                family = [psutil.Process(state.pid), *psutil.Process(state.pid).children(recursive=True)]
                memory[name] = sum(each.memory_info().rss for each in family) / 2**20
                connections[name] = float(sum(len(each.net_connections()) for each in family))
            except psutil.Error:
                continue
        folders = {name: name for name in self.cluster.topology.servers} | {"logs": "stack/logs"}
        disk = {name: size_of(self.cluster.folder / folder) / 2**20 for name, folder in folders.items()}
        return {"memory, MiB": memory, "disk, MiB": disk, "connections": connections}

    def _chart(self, figure: str) -> Chart:
        began = self.samples[0][0]
        lines: Mapping[str, Sequence[tuple[float, float]]] = {
            name: [((at - began) / 60, sample[figure][name]) for at, sample in self.samples if name in sample[figure]]
            for name in sorted({name for _, sample in self.samples for name in sample[figure]})
        }
        return Chart(figure, lines)


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder that changes meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total

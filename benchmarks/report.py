"""The report of a run: a table, JSON, and a bar chart as SVG for each figure."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from .load import WRK
from .peers import SERVER
from .results import Plan, Result

HEAD = ("figure", "rate", "unit", "p50 ms", "p99 ms", "CPU us", "limit/s", "CPU us", "ratio", "CPU", "at least", "met")
WIDTH, LEFT, BAR, GAP = 760, 180, 16, 8


def machine() -> dict[str, Any]:
    """What the figures were measured on and with."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": model,
        "cores": os.cpu_count(),
        "load_average_at_start": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "load_from": "wrk" if WRK else "the bundled client",
        "bare_server": SERVER,
    }


def cells(result: Result) -> tuple[str, ...]:
    """One row of the table."""

    def number(value: float | None, form: str = ",.0f") -> str:
        return format(value, form) if value is not None else ""

    limit = result.limit
    return (
        result.name,
        number(result.measured.rate, ",.3g" if result.measured.rate < 100 else ",.0f"),
        result.unit,
        number(result.measured.p50_ms, ".1f"),
        number(result.measured.p99_ms, ".1f"),
        number(result.measured.cpu_us),
        number(limit.rate if limit else None, ",.3g" if limit and limit.rate < 100 else ",.0f"),
        number(limit.cpu_us if limit else None),
        number(result.ratio, ".3f"),
        number(result.cpu_ratio, ".3f"),
        number(result.at_least, ".2f"),
        {True: "yes", False: "NO", None: ""}[result.met],
    )


def table(results: Sequence[Result]) -> str:
    """The results as a Markdown table, with notes below."""
    rows = [HEAD, *map(cells, results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    said = [(each.name, [each.peer and f"beside {each.peer}", *map(str, each.bounds), each.note]) for each in results]
    notes = [f"- {name}: {'; '.join(filter(None, parts))}" for name, parts in said if any(parts)]
    return "\n".join([*lines, "", *notes])


def as_json(results: Sequence[Result], plan: Plan, described: dict[str, Any]) -> str:
    """Everything that was measured."""
    rows = [asdict(each) | {"ratio": each.ratio, "cpu_ratio": each.cpu_ratio, "met": each.met} for each in results]
    return json.dumps({"machine": described, "plan": asdict(plan), "results": rows}, indent=2) + "\n"


def chart(title: str, results: Sequence[Result]) -> str:
    """Bars of rates, the limit's below each."""
    bars: list[tuple[str, float, str]] = []
    for each in results:
        bars.append((each.name, each.measured.rate, "#1b6ca8"))
        if each.limit:
            bars.append((each.peer, each.limit.rate, "#b9c4cc"))
    most = max(value for _, value, _ in bars) or 1.0
    height = 40 + len(bars) * (BAR + GAP)
    parts = [f'<text x="10" y="20" font-size="13">{escape(title)}</text>']
    for number, (name, value, colour) in enumerate(bars):
        y = 34 + number * (BAR + GAP)
        width = max(1.0, value / most * (WIDTH - LEFT - 90))
        parts.append(f'<text x="{LEFT - 6}" y="{y + 12}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>')
        parts.append(f'<text x="{LEFT + width + 6:.1f}" y="{y + 12}">{value:,.0f}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif"'
        f' font-size="11">\n<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )

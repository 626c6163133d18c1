"""Line charts as SVG, in 50 lines instead of a plotting library of 50 MB."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 900, 260, 60, 170, 30, 30
COLOURS = ("#1b6ca8", "#c1440e", "#3a7d44", "#8e44ad", "#b8860b", "#16a085", "#7f8c8d", "#c0392b", "#2c3e50", "#d35400")
TICKS = 5


@dataclass(frozen=True)
class Chart:
    """A title and lines by name, as (minutes, value)."""

    title: str
    lines: Mapping[str, Sequence[tuple[float, float]]]


def page(charts: Sequence[Chart]) -> str:
    """All charts, one below the other."""
    body = "\n".join(
        f'<g transform="translate(0,{number * HEIGHT})">{drawn(chart)}</g>' for number, chart in enumerate(charts)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT * len(charts)}" '
        f'font-family="sans-serif" font-size="11">\n<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
    )


def drawn(chart: Chart) -> str:
    """One chart: title, axes with ticks, a line and a legend for each series."""
    points = [point for line in chart.lines.values() for point in line]
    last = max((x for x, _ in points), default=1.0) or 1.0
    most = max((y for _, y in points), default=1.0) * 1.05 or 1.0

    def at(x: float, y: float) -> tuple[float, float]:
        width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        return LEFT + x / last * width, TOP + height - y / most * height

    parts = [f'<text x="{LEFT}" y="{TOP - 10}" font-size="13">{escape(chart.title)}</text>']
    for tick in range(TICKS + 1):
        x, y = at(last * tick / TICKS, most * tick / TICKS)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{most * tick / TICKS:.0f}</text>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 12}" text-anchor="middle">{last * tick / TICKS:.0f} min</text>')
    for number, (name, line) in enumerate(chart.lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in line))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts.append(
            f'<text x="{WIDTH - RIGHT + 10}" y="{TOP + 12 + number * 14}" fill="{colour}">{escape(name)}</text>'
        )
    return "\n".join(parts)

"""What a number of daily users needs, computed from measured costs: `python -m benchmarks.scaling [--plot FILE]`.

Three questions have no formula and are simulated: how unevenly hot stories load the partitions of views, how the
slowest of several index shards delays a merged tray, and how high the wave of expiries is a day after the posts.
"""

import argparse
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from xml.sax.saxutils import escape

# What a user does a day. Assumptions: replace them by what your own application shows.
TRAYS, REELS, VIEWS, STORIES, FOLLOWS = 10, 6, 40, 0.075, 150
PEAK = 3.0
"""The busiest second of a day beside its mean."""
BUSY = 0.5
"""How much of a core is planned for."""

# Measured with `make bench` (docs/benchmarks/results.txt) on two cores, or taken from docs/operations/sizing.md; other
# sizes are estimates.
TRAY_US, REELS_US, FEED_MONGOD_US = 290, 540, 60
TAKEN_US, COUNTED_US, COUNTED_MONGOD_US = 91, 57, 48
INDEX_BYTES, VIEWER_BYTES, EDGE_BYTES, FOLLOW_ENTRY_BYTES = 1_050, 420, 350, 16
TRAY_BYTES, REELS_BYTES, VIEW_RECORD_BYTES, MEDIA_BYTES = 3_800, 19_000, 520, 2_500_000
VIEWS_A_PARTITION = 5_000
"""Views a second that one partition's consumer counts with half a core to spare."""
SHARD_WRITES = 20_000
"""Rows a second that one MongoDB primary takes (majority, journal)."""
INDEX_BUDGET = 8 * 2**30
"""Memory of one feed replica's index beyond which it is sharded."""
SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Size:
    """What so many daily users need."""

    users: int
    trays_s: float
    views_s: float
    live_stories: float
    index_gb: float
    index_shards: int
    feed_cores: float
    engagement_cores: float
    mongod_cores: float
    partitions: int
    view_shards: int
    views_gb: float
    edges_gb: float
    kafka_tb: float
    media_tb: float
    api_gbit_s: float
    media_gbit_s: float


def size(users: int) -> Size:
    """The resources at the busiest second; rows and media are kept for a day, views in Kafka for three."""
    a_second = users * PEAK / SECONDS
    trays_s, reels_s, views, live = a_second * TRAYS, a_second * REELS, a_second * VIEWS, users * STORIES
    index = live * INDEX_BYTES
    return Size(
        users=users,
        trays_s=trays_s,
        views_s=views,
        live_stories=live,
        index_gb=index / 2**30,
        index_shards=max(1, math.ceil(index / INDEX_BUDGET)),
        feed_cores=(trays_s * TRAY_US + reels_s * REELS_US) / 1e6 / BUSY,
        engagement_cores=views * (TAKEN_US + COUNTED_US) / 1e6 / BUSY,
        mongod_cores=(views * COUNTED_MONGOD_US + (trays_s + reels_s) * FEED_MONGOD_US) / 1e6 / BUSY,
        partitions=max(12, math.ceil(views / VIEWS_A_PARTITION)),
        view_shards=max(1, math.ceil(views / SHARD_WRITES)),
        views_gb=users * VIEWS * VIEWER_BYTES / 2**30,
        edges_gb=users * FOLLOWS * (EDGE_BYTES + FOLLOW_ENTRY_BYTES) / 2**30,
        kafka_tb=users * VIEWS * 3 * VIEW_RECORD_BYTES * 3 / 2**40,
        media_tb=live * MEDIA_BYTES / 2**40,
        api_gbit_s=(trays_s * TRAY_BYTES + reels_s * REELS_BYTES) * 8 / 1e9,
        media_gbit_s=views * MEDIA_BYTES * 8 / 1e9,
    )


ROWS = (
    ("trays a second at the peak", "trays_s", ",.0f"),
    ("views a second at the peak", "views_s", ",.0f"),
    ("live stories", "live_stories", ",.0f"),
    ("live index in every feed replica, GB", "index_gb", ",.2f"),
    ("index shards of at most 8 GB", "index_shards", ",d"),
    ("feed, cores (one process each)", "feed_cores", ",.1f"),
    ("engagement, cores (one process each)", "engagement_cores", ",.1f"),
    ("mongod, cores", "mongod_cores", ",.1f"),
    ("partitions of `story-viewed`", "partitions", ",d"),
    ("MongoDB shards for views", "view_shards", ",d"),
    ("rows of viewers, GB", "views_gb", ",.0f"),
    ("edges and follow lists, GB", "edges_gb", ",.0f"),
    ("Kafka, views of three days on three brokers, TB", "kafka_tb", ",.2f"),
    ("media of live stories, TB", "media_tb", ",.1f"),
    ("API answers, Gbit/s", "api_gbit_s", ",.2f"),
    ("media to viewers (CDN), Gbit/s", "media_gbit_s", ",.0f"),
)


def table(sizes: Sequence[Size]) -> str:
    """The sizes as a Markdown table."""
    head = f"| | {' | '.join(f'{each.users / 1e6:,.0f} M' for each in sizes)} |"
    rows = [
        f"| {name} | {' | '.join(format(getattr(each, field), form) for each in sizes)} |" for name, field, form in ROWS
    ]
    return "\n".join([head, "| --- |" + " --- |" * len(sizes), *rows])


def hottest_partition(partitions: int, stories: int, seed: int = 1) -> float:
    """The load of the busiest partition beside the mean, with views keyed by story and Zipf's law of popularity."""
    chosen = random.Random(seed)  # noqa: S311
    total = sum(1 / rank for rank in range(1, stories + 1))
    load = [0.0] * partitions
    for rank in range(1, stories + 1):
        load[chosen.randrange(partitions)] += 1 / rank / total
    return max(load) * partitions


def merged_p99(shards: int, p50: float = 10.0, p99: float = 60.0, requests: int = 20_000, seed: int = 1) -> float:
    """The 99th percentile of the slowest of so many shards, each log-normal with these percentiles (ms)."""
    chosen = random.Random(seed)  # noqa: S311
    sigma = math.log(p99 / p50) / 2.3263
    slowest = [max(chosen.lognormvariate(math.log(p50), sigma) for _ in range(shards)) for _ in range(requests)]
    return quantiles(slowest, n=100)[98]


def posts_an_hour() -> list[float]:
    """The share of a day's posts in each hour: a sine with its top at 20:00, and a second one at noon."""
    raw = [
        1.15 + math.sin((hour - 14) / 24 * 2 * math.pi) + 0.35 * math.sin((hour - 9) / 12 * 2 * math.pi)
        for hour in range(24)
    ]
    lowest = min(raw) - 0.05
    total = sum(each - lowest for each in raw)
    return [(each - lowest) / total for each in raw]


def expiries_a_second(users: int) -> list[float]:
    """Expiries a second in each hour of a day; stories of 6, 12, 24 and 48 hours in shares of 5, 10, 80 and 5 %."""
    posted, shares = posts_an_hour(), {6: 0.05, 12: 0.10, 24: 0.80, 48: 0.05}
    return [
        sum(share * posted[(hour - lifetime) % 24] for lifetime, share in shares.items()) * users * STORIES / 3_600
        for hour in range(24)
    ]


def plot(lines: dict[str, list[tuple[float, float]]], title: str, across: str) -> str:
    """A line chart as SVG, both axes from the smallest to the largest value."""
    width, height, left, top = 620, 240, 60, 34
    points = [point for line in lines.values() for point in line]
    last, most = max(x for x, _ in points), max(y for _, y in points) * 1.05
    parts = [f'<text x="{left}" y="20" font-size="13">{escape(title)}</text>']
    for tick in range(5):
        y = top + (height - 70) * (1 - tick / 4)
        parts.append(f'<line x1="{left}" x2="{width - 150}" y1="{y:.0f}" y2="{y:.0f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.0f}" text-anchor="end">{most * tick / 4:,.1f}</text>')
    for number, (name, line) in enumerate(lines.items()):
        colour = ("#1b6ca8", "#c1440e", "#3a7d44")[number % 3]
        drawn = " ".join(
            f"{left + x / last * (width - 150 - left):.1f},{top + (height - 70) * (1 - y / most):.1f}" for x, y in line
        )
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts.append(f'<text x="{width - 140}" y="{top + 12 + 16 * number}" fill="{colour}">{escape(name)}</text>')
    parts.append(f'<text x="{left}" y="{height - 8}">{escape(across)} (0 to {last:,.0f})</text>')
    return "\n".join(parts)


def charts() -> Iterator[str]:
    """The three simulations."""
    counts = [1, 2, 4, 8, 12, 24, 48, 96, 192]
    yield plot(
        {
            f"{stories:,} stories": [(float(each), hottest_partition(each, stories)) for each in counts]
            for stories in (1_000, 100_000)
        },
        "Busiest partition of views beside the mean",
        "partitions",
    )
    yield plot(
        {"p99 of the slowest": [(float(each), merged_p99(each, requests=4_000)) for each in (1, 2, 4, 8, 16, 32)]},
        "A tray merged from several index shards, ms",
        "shards",
    )
    yield plot(
        {
            "expiries/s": [(float(hour), each) for hour, each in enumerate(expiries_a_second(10_000_000))],
            "their mean": [(0.0, 10_000_000 * STORIES / SECONDS), (23.0, 10_000_000 * STORIES / SECONDS)],
        },
        "Expiries a second over a day, 10 million users",
        "hour",
    )


def main() -> None:
    """Print the table and the simulations' results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the charts as SVG")
    given = parser.parse_args()
    print(table([size(users) for users in (1_000_000, 10_000_000, 500_000_000)]))
    for partitions in (12, 48, 192):
        busiest = hottest_partition(partitions, 100_000)
        print(
            f"{partitions} partitions: the busiest has {busiest:.1f} times the mean, {busiest / partitions:.0%} of all"
        )
    for shards in (1, 4, 16):
        print(f"{shards} index shards: p99 of the slowest {merged_p99(shards):.0f} ms")
    wave = expiries_a_second(10_000_000)
    print(f"expiries a second at 10 M users: {max(wave):.0f} at the top, {sum(wave) / 24:.0f} on average")
    if given.plot:
        body = "\n".join(
            f'<g transform="translate(0,{250 * number})">{each}</g>' for number, each in enumerate(charts())
        )
        given.plot.write_text(
            '<svg xmlns="http://www.w3.org/2000/svg" width="620" height="750" font-family="sans-serif"'
            ' font-size="11">\n'
            f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
        )


if __name__ == "__main__":
    main()

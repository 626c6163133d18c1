"""`python -m tests.chaos`, which `stories chaos` and `make chaos` run from a checkout."""

import argparse
import asyncio
import itertools
import logging
import math
import secrets
import shutil
import signal
import sys
import time

from stories_embedded.paths import CHECKOUT

from tests.secured import NO_NODE

from .campaign import Campaign
from .faults import REPLICATED, WEIGHTS
from .minimize import smallest
from .replica_faults import libfaketime
from .summary import Summary

RUNS = CHECKOUT / ".stories-chaos"


def log(text: str) -> None:
    """Print one line with the time."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


def options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="stories chaos", description="Fault injection, checked against a model.")
    parser.add_argument("--seed", type=int, help="seed of faults and operations; by default a new one")
    parser.add_argument("--minutes", type=float, default=2.0, help="minutes of faults; recovery and checks follow")
    parser.add_argument(
        "--forever", action="store_true", help="run until Ctrl-C, and plot memory, disk and connections"
    )
    parser.add_argument("--replicated", action="store_true", help="three brokers and a replica set of three")
    parser.add_argument("--secured", action="store_true", help="Kafka and MongoDB with users, over TLS")
    parser.add_argument("--faults", help=f"inject only these of: {','.join(WEIGHTS)}")
    parser.add_argument("--without", help="kinds that are drawn but not injected, as in a rerun")
    parser.add_argument("--reruns", type=int, default=5, help="most reruns to find the fewest kinds that fail")
    parsed = parser.parse_args()
    parsed.without = listed(parsed.without)
    kinds = listed(parsed.faults) or frozenset(WEIGHTS) - (frozenset() if parsed.replicated else REPLICATED)
    if unknown := (kinds | parsed.without) - WEIGHTS.keys():
        parser.error(f"no such kind of fault: {', '.join(sorted(unknown))}; there are {', '.join(WEIGHTS)}")
    if not parsed.replicated and (alone := kinds & REPLICATED):
        parser.error(f"only with --replicated: {', '.join(sorted(alone))}")
    if "clock" in kinds and libfaketime() is None:
        log("clock is left out: libfaketime is missing (Debian: apt-get install faketime)")
        parsed.without |= {"clock"}
    if parsed.secured and shutil.which("node") is None:
        parser.error(NO_NODE)
    parsed.kinds = kinds
    parsed.seed = secrets.randbelow(10**9) if parsed.seed is None else parsed.seed
    return parsed


def listed(text: str | None) -> frozenset[str]:
    """The set of a comma-separated list."""
    return frozenset((text or "").split(",")) - {""}


def run(arguments: argparse.Namespace, without: frozenset[str], name: str) -> Summary:
    """Run one campaign. Its history is kept after a failure, that of a soak always."""
    folder = RUNS / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    seconds = math.inf if arguments.forever else arguments.minutes * 60
    campaign = Campaign(
        arguments.seed, seconds, arguments.kinds, without, folder, log,
        replicated=arguments.replicated, secured=arguments.secured, soaking=arguments.forever,
    )  # fmt: skip

    async def until_interrupted() -> Summary:
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, campaign.ending.set)
        return await campaign.run()

    summary = asyncio.run(until_interrupted())
    for line in summary.lines():
        log(line)
    if summary.violations or arguments.forever:
        log(f"kept: {folder.relative_to(CHECKOUT)}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return summary


def main() -> int:
    """Return 0 if no invariant is violated, else 1."""
    arguments = options()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # outages of the broker are intended here
    name = f"seed-{arguments.seed}"
    summary = run(arguments, arguments.without, name)
    if not summary.violations:
        return 0
    if arguments.reruns and summary.injected and not arguments.forever:
        numbers = itertools.count(1)
        fewest, without = smallest(
            summary,
            lambda without: run(arguments, arguments.without | without, f"{name}-{next(numbers)}"),
            arguments.reruns,
            log,
        )
        log(f"fewest kinds of faults that failed: {', '.join(sorted(fewest))}")
        left_out = f" --without {','.join(sorted(without))}" if without else ""
        servers = f"{' --replicated' if arguments.replicated else ''}{' --secured' if arguments.secured else ''}"
        log(f"stories chaos --seed {arguments.seed} --minutes {arguments.minutes:g}{servers}{left_out}")
    return 1


if __name__ == "__main__":
    sys.exit(main())

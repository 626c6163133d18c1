"""`python -m tests.chaos`, which `stories chaos` and `make chaos` run from a checkout."""

import argparse
import asyncio
import secrets
import shutil
import sys
import time

from stories_embedded.checkout import CHECKOUT

from .campaign import Campaign
from .faults import WEIGHTS
from .summary import Summary

RUNS = CHECKOUT / ".stories-chaos"


def say(text: str) -> None:
    """One line, with the time."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="stories chaos", description="Violence with a truth to compare.")
    parser.add_argument("--seed", type=int, help="what happens when; a fresh one by default")
    parser.add_argument("--minutes", type=float, default=2.0, help="of violence; checks come after it")
    parser.add_argument("--faults", help=f"some of: {','.join(WEIGHTS)}")
    parsed = parser.parse_args()
    kinds = frozenset((parsed.faults or ",".join(WEIGHTS)).split(","))
    if unknown := kinds - WEIGHTS.keys():
        parser.error(f"--faults: no such kind: {', '.join(sorted(unknown))}; there are {', '.join(WEIGHTS)}")
    parsed.kinds = kinds
    parsed.seed = secrets.randbelow(10**9) if parsed.seed is None else parsed.seed
    return parsed


def run(seed: int, minutes: float, kinds: frozenset[str], name: str) -> Summary:
    """One campaign; its record stays where it failed."""
    folder = RUNS / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    summary = asyncio.run(Campaign(seed, minutes * 60, kinds, folder, say).run())
    for line in summary.lines():
        say(line)
    if summary.violations:
        say(f"history and logs: {folder.relative_to(CHECKOUT)}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return summary


def main() -> int:
    """Exit code 0 green, 1 red."""
    asked = options()
    summary = run(asked.seed, asked.minutes, asked.kinds, f"seed-{asked.seed}")
    return 1 if summary.violations else 0


if __name__ == "__main__":
    sys.exit(main())

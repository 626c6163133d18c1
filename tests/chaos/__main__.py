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

from .campaign import Campaign
from .faults import WEIGHTS
from .minimize import smallest
from .replica_faults import libfaketime
from .summary import Summary

RUNS = CHECKOUT / ".stories-chaos"


def say(text: str) -> None:
    """One line, with the time."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="stories chaos", description="Violence with a model to compare.")
    parser.add_argument("--seed", type=int, help="what happens when; a fresh one by default")
    parser.add_argument("--minutes", type=float, default=2.0, help="of violence; healing and checks come after it")
    parser.add_argument("--forever", action="store_true", help="until Ctrl-C, with memory, disk and connections drawn")
    parser.add_argument("--faults", help=f"some of: {','.join(WEIGHTS)}")
    parser.add_argument("--without", help="kinds that are drawn but do not strike, as in a re-run")
    parser.add_argument("--reruns", type=int, default=5, help="at most, to name the fewest kinds of faults that fail")
    parsed = parser.parse_args()
    kinds, parsed.without = listed(parsed.faults) or frozenset(WEIGHTS), listed(parsed.without)
    if unknown := (kinds | parsed.without) - WEIGHTS.keys():
        parser.error(f"no such kind of fault: {', '.join(sorted(unknown))}; there are {', '.join(WEIGHTS)}")
    if "clock" in kinds and libfaketime() is None:
        say("clock is left out: libfaketime is not here (Debian: apt-get install faketime)")
        parsed.without |= {"clock"}
    parsed.kinds = kinds
    parsed.seed = secrets.randbelow(10**9) if parsed.seed is None else parsed.seed
    return parsed


def listed(text: str | None) -> frozenset[str]:
    """`a,b` as a set."""
    return frozenset((text or "").split(",")) - {""}


def run(asked: argparse.Namespace, without: frozenset[str], name: str) -> Summary:
    """One campaign; its record stays where it failed, that of a soak always."""
    folder = RUNS / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    seconds = math.inf if asked.forever else asked.minutes * 60
    campaign = Campaign(asked.seed, seconds, asked.kinds, without, folder, say, asked.forever)

    async def until_asked() -> Summary:
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, campaign.ending.set)
        return await campaign.run()

    summary = asyncio.run(until_asked())
    for line in summary.lines():
        say(line)
    if summary.violations or asked.forever:
        say(f"kept: {folder.relative_to(CHECKOUT)}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return summary


def main() -> int:
    """Exit code 0 green, 1 red."""
    asked = options()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a broker that is down is what we want here
    name = f"seed-{asked.seed}"
    summary = run(asked, asked.without, name)
    if not summary.violations:
        return 0
    if asked.reruns and summary.injected and not asked.forever:
        numbers = itertools.count(1)
        fewest, without = smallest(
            summary, lambda without: run(asked, asked.without | without, f"{name}-{next(numbers)}"), asked.reruns, say
        )
        say(f"the fewest kinds of faults that failed: {', '.join(sorted(fewest))}")
        left_out = f" --without {','.join(sorted(without))}" if without else ""
        say(f"stories chaos --seed {asked.seed} --minutes {asked.minutes:g}{left_out}")
    return 1


if __name__ == "__main__":
    sys.exit(main())

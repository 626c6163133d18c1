"""`python -m tests.chaos`, which `stories chaos` and `make chaos` run from a checkout."""

import argparse
import asyncio
import itertools
import math
import secrets
import shutil
import signal
import sys
import time

from stories_embedded.checkout import CHECKOUT

from .campaign import Campaign
from .faults import WEIGHTS
from .faults_of_members import libfaketime
from .reducing import smallest
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
    parser.add_argument("--minutes", type=float, default=2.0, help="of violence; healing and checks come after it")
    parser.add_argument("--forever", action="store_true", help="until Ctrl-C, with memory, disk and connections drawn")
    parser.add_argument("--faults", help=f"some of: {','.join(WEIGHTS)}")
    parser.add_argument("--reruns", type=int, default=5, help="at most, to name the fewest kinds of faults that fail")
    parsed = parser.parse_args()
    kinds = frozenset((parsed.faults or ",".join(WEIGHTS)).split(","))
    if unknown := kinds - WEIGHTS.keys():
        parser.error(f"--faults: no such kind: {', '.join(sorted(unknown))}; there are {', '.join(WEIGHTS)}")
    if "clock" in kinds and libfaketime() is None:
        say("clock is left out: libfaketime is not here (Debian: apt-get install faketime)")
        kinds -= {"clock"}
    parsed.kinds = kinds
    parsed.seed = secrets.randbelow(10**9) if parsed.seed is None else parsed.seed
    return parsed


def run(seed: int, seconds: float, kinds: frozenset[str], name: str, *, soaking: bool = False) -> Summary:
    """One campaign; its record stays where it failed, that of a soak always."""
    folder = RUNS / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    campaign = Campaign(seed, seconds, kinds, folder, say, soaking)

    async def until_asked() -> Summary:
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, campaign.ending.set)
        return await campaign.run()

    summary = asyncio.run(until_asked())
    for line in summary.lines():
        say(line)
    if summary.violations or soaking:
        say(f"kept: {folder.relative_to(CHECKOUT)}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return summary


def main() -> int:
    """Exit code 0 green, 1 red."""
    asked = options()
    name, seconds = f"seed-{asked.seed}", math.inf if asked.forever else asked.minutes * 60
    summary = run(asked.seed, seconds, asked.kinds, name, soaking=asked.forever)
    if not summary.violations:
        return 0
    if asked.reruns and summary.injected and not asked.forever:
        numbers = itertools.count(1)
        fewest = smallest(
            summary, lambda kinds: run(asked.seed, seconds, kinds, f"{name}-again-{next(numbers)}"), asked.reruns, say
        )
        say(f"the fewest kinds of faults that failed: {', '.join(sorted(fewest))}")
        say(f"stories chaos --seed {asked.seed} --minutes {asked.minutes:g} --faults {','.join(sorted(fewest))}")
    return 1


if __name__ == "__main__":
    sys.exit(main())

"""Runs figures and prints the report: `stories bench [NAME …] [--json FILE] [--quick] [--plots FOLDER]`."""

import argparse
import asyncio
import logging
import subprocess
import sys
import tempfile
import traceback
from dataclasses import replace
from pathlib import Path

import structlog
from stories_embedded.testing import Servers

from . import report
from .bench import Bench
from .processes import Process
from .registry import load_figures
from .results import FULL, QUICK, SMOKE, Plan, Result


async def run(names: list[str], plan: Plan, spy: str | None = None) -> tuple[dict[str, list[Result]], list[str]]:
    """The results of these figures, in their order, on servers of its own; and the names of those that failed."""
    figures, results = load_figures(), {}
    failed: list[str] = []

    def record(name: str, process: Process) -> None:
        if spy:
            command = [spy, "record", "-p", str(process.popen.pid), "-r", "200", "-f", "raw", "-o", f"{name}.profile"]
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    with tempfile.TemporaryDirectory(prefix="stories-bench-", ignore_cleanup_errors=True) as folder:
        servers = Servers(Path(folder))
        servers.start_all()
        bench = Bench(servers, plan, record)
        try:
            with bench.stack:
                for name in names:
                    try:
                        results[name] = list(await figures[name].run(bench))
                        print(report.table(results[name]), file=sys.stderr, flush=True)
                    except Exception:  # noqa: BLE001  (the other figures are still worth having)
                        failed.append(name)
                        traceback.print_exc()
        finally:
            servers.stop_all()
    return results, failed


def main() -> None:
    """Parse the arguments, measure, and write the report."""
    known = load_figures()
    parser = argparse.ArgumentParser(prog="stories bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="figures; by default all: " + ", ".join(known))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="write a plot for each figure, and the table")
    parser.add_argument("--quick", action="store_true", help="three rounds of a second, a twentieth of the data")
    parser.add_argument("--million", action="store_true", help="set a million rows up where otherwise 200,000 are")
    parser.add_argument("--smoke", action="store_true", help="one round and hardly any data: does it work at all?")
    parser.add_argument("--spy", metavar="PROGRAM", help="py-spy's program: record each service into NAME.profile")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in known]:
        parser.error(f"no such figure: {', '.join(unknown)}; there are {', '.join(known)}")
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING)
    )  # of events published here
    described, plan = report.machine(), SMOKE if given.smoke else QUICK if given.quick else FULL
    if given.million:
        plan = replace(plan, share=1.0)
    results, failed = asyncio.run(run(given.names or list(known), plan, given.spy))
    flat = [each for some in results.values() for each in some]
    head = ", ".join(f"{name} {value}" for name, value in described.items())
    print(head)
    print(report.table(flat))
    if given.json:
        given.json.write_text(report.as_json(flat, plan, described))
    if given.plots:
        given.plots.mkdir(parents=True, exist_ok=True)
        (given.plots / "results.txt").write_text(f"{head}\n\n{report.table(flat)}\n")
        for name, some in results.items():
            (given.plots / f"{name}.svg").write_text(report.chart(known[name].description, some))
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()

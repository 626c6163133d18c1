"""`stories chaos` and `stories bench`: fault injection and benchmarks, whose code is part of a checkout."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from .console import abort
from .installed import checkout_with

CHAOS, BENCHMARKS = "tests.chaos", "benchmarks"


def chaos(
    seed: Annotated[int | None, typer.Option(help="Seed of the faults and operations; by default a new one.")] = None,
    minutes: Annotated[float, typer.Option(min=0.1, help="Minutes of faults; recovery and checks come on top.")] = 2.0,
    faults: Annotated[
        str | None, typer.Option(metavar="KIND,…", help="Inject only these kinds of faults; by default all.")
    ] = None,
    without: Annotated[
        str | None,
        typer.Option(metavar="KIND,…", help="Leave these kinds of faults out, and keep the times of all others."),
    ] = None,
    replicated: Annotated[
        bool, typer.Option("--replicated", help="Run three Kafka brokers and a MongoDB replica set of three.")
    ] = False,
    secured: Annotated[
        bool, typer.Option("--secured", help="Require a user and TLS of every client of Kafka and MongoDB.")
    ] = False,
    forever: Annotated[
        bool, typer.Option("--forever", help="Run until Ctrl-C, and plot memory, disk and connections.")
    ] = False,
    reruns: Annotated[
        int, typer.Option(min=0, help="After a failure, repeat it at most this often with fewer kinds of faults.")
    ] = 5,
) -> None:
    """Inject faults into a stack of its own, let it recover, and compare all it holds with what its users did.

    It starts real servers behind proxies and two replicas of every service on a temporary folder, and removes them
    afterwards. Exits with 1 if an invariant is broken, and then keeps the history and the logs.
    """
    arguments = ["--minutes", str(minutes), "--reruns", str(reruns), *(["--forever"] if forever else [])]
    arguments += [*(["--replicated"] if replicated else []), *(["--secured"] if secured else [])]
    arguments += ["--seed", str(seed)] if seed is not None else []
    arguments += ["--faults", faults] if faults else []
    arguments += ["--without", without] if without else []
    run(CHAOS, arguments)


def bench(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Figures; by default all.")] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write everything that was measured.")] = None,
    plots: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Write a plot for each figure.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer and shorter rounds, a twentieth of the data.")] = False,
    million: Annotated[bool, typer.Option("--million", help="Create a million rows instead of 200,000.")] = False,
) -> None:
    """Measure what operations cost, each beside a bare limit in the same run, and print a table.

    It starts real servers and services on a temporary folder, and removes them afterwards.
    """
    arguments = [*(names or []), *(["--quick"] if quick else []), *(["--million"] if million else [])]
    arguments += ["--json", str(json.absolute())] if json else []
    arguments += ["--plots", str(plots.absolute())] if plots else []
    run(BENCHMARKS, arguments)


def run(package: str, arguments: list[str]) -> None:
    """Run a package of the checkout to its end, and exit with its code. At Ctrl-C, which both get, it cleans up."""
    folder = checkout_with(package)
    if folder is None:
        abort(f"{package} is part of a checkout, which this installation is not")
    with subprocess.Popen([sys.executable, "-m", package, *arguments], cwd=folder) as process:
        while True:
            try:
                raise typer.Exit(process.wait())
            except KeyboardInterrupt:
                continue

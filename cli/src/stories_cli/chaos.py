"""`stories chaos`: fault injection checked against a model. It is part of a checkout, beside the tests."""

import subprocess
import sys
from typing import Annotated

import typer

from .console import DEVELOP, abort
from .installed import chaos_folder


def register(app: typer.Typer) -> None:
    """Add this command to the application; hidden outside of a checkout."""
    app.command(rich_help_panel=DEVELOP, hidden=chaos_folder() is None)(chaos)


def chaos(
    seed: Annotated[int | None, typer.Option(help="Seed of the faults and operations; by default a new one.")] = None,
    minutes: Annotated[float, typer.Option(min=0.1, help="Minutes of faults; recovery and checks come on top.")] = 2.0,
    faults: Annotated[
        str | None, typer.Option(metavar="KIND,…", help="Inject only these kinds of faults; by default all.")
    ] = None,
    without: Annotated[
        str | None,
        typer.Option(metavar="KIND,…", help="Leave these kinds out, and inject the others when they came with them."),
    ] = None,
    replicated: Annotated[
        bool, typer.Option("--replicated", help="Run three Kafka brokers and a MongoDB replica set of three.")
    ] = False,
    secured: Annotated[
        bool, typer.Option("--secured", help="Have Kafka and MongoDB serve users over TLS alone.")
    ] = False,
    forever: Annotated[
        bool, typer.Option("--forever", help="Run until Ctrl-C, and plot memory, disk and connections.")
    ] = False,
    reruns: Annotated[
        int, typer.Option(min=0, help="After a failure, run at most so often again to find the fewest kinds that fail.")
    ] = 5,
) -> None:
    """Inject faults into a stack of its own, let it recover, and compare all it holds with what its users did.

    It starts real servers behind proxies and two replicas of every service on a temporary folder, and removes them
    afterwards. Exits with 1 where a promise was broken, and then keeps the history and the logs.
    """
    checkout = chaos_folder()
    if checkout is None:
        abort("fault injection is part of a checkout (tests/chaos), which this installation is not")
    arguments = ["--minutes", str(minutes), "--reruns", str(reruns), *(["--forever"] if forever else [])]
    arguments += [*(["--replicated"] if replicated else []), *(["--secured"] if secured else [])]
    arguments += ["--seed", str(seed)] if seed is not None else []
    arguments += ["--faults", faults] if faults else []
    arguments += ["--without", without] if without else []
    raise typer.Exit(run_in(str(checkout), [sys.executable, "-m", "tests.chaos", *arguments]))


def run_in(folder: str, command: list[str]) -> int:
    """Run a command of the checkout to its end. Ctrl-C reaches both processes, and the child cleans up."""
    with subprocess.Popen(command, cwd=folder) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue

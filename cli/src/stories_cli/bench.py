"""`stories bench`: what each operation costs. The benchmarks are part of a checkout."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from .chaos import run_in
from .console import DEVELOP, abort
from .installed import benchmarks_folder


def register(app: typer.Typer) -> None:
    """Add this command to the application; hidden outside of a checkout."""
    app.command(rich_help_panel=DEVELOP, hidden=benchmarks_folder() is None)(bench)


def bench(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Figures; by default all.")] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write everything that was measured.")] = None,
    plots: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Write a plot for each figure.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer and shorter rounds, a twentieth of the data.")] = False,
    million: Annotated[bool, typer.Option("--million", help="A million rows where it is 200,000 otherwise.")] = False,
) -> None:
    """Measure what operations cost, each beside its bare limit in the same run, and print a table.

    It starts real servers and services on a temporary folder, and removes them afterwards.
    """
    checkout = benchmarks_folder()
    if checkout is None:
        abort("the benchmarks are part of a checkout (benchmarks), which this installation is not")
    arguments = [*(names or []), *(["--quick"] if quick else []), *(["--million"] if million else [])]
    arguments += ["--json", str(json.absolute())] if json else []
    arguments += ["--plots", str(plots.absolute())] if plots else []
    raise typer.Exit(run_in(str(checkout), [sys.executable, "-m", "benchmarks", *arguments]))

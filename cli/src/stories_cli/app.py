"""The command line: one typer application, its commands in modules by subject."""

import os
from importlib.metadata import version
from typing import Annotated

import typer

from . import api, bench, chaos, demo, dlq, erasure, events, follows, post, rollout, stack, tokens

EPILOG = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not all processes are running (status)."

app = typer.Typer(
    name="stories",
    help="Run, try and operate a Stories backend. Results go to standard output, messages to standard error.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(requested: bool) -> None:
    if requested:
        revision = os.environ.get("REVISION")
        print(f"stories {version('stories-cli')}{f' ({revision})' if revision else ''}")
        raise typer.Exit


@app.callback()
def main(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Options before the command."""


for group in (stack, tokens, post, api, demo, chaos, bench, events, dlq, erasure, follows, rollout):
    group.register(app)

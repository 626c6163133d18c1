"""The command line: one typer application, its commands in modules by subject."""

import os
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated

import typer

from . import api, checkout, demo, dlq, erasure, events, follows, post, rollout, stack, tokens
from .console import DEVELOP, OPERATE, STACK, TRY_IT
from .installed import EMBEDDED, INSTALLED_SERVICES, checkout_with

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


def _add(panel: str, *commands: Callable[..., None], hidden: bool = False) -> None:
    for command in commands:
        app.command(rich_help_panel=panel, hidden=hidden)(command)


_add(STACK, stack.up, stack.down, stack.status, stack.env, stack.logs, stack.doctor, hidden=not EMBEDDED)
_add(OPERATE, stack.init, hidden=not INSTALLED_SERVICES)
_add(TRY_IT, tokens.token, post.post, api.api)
_add(TRY_IT, demo.demo, hidden=not EMBEDDED)
_add(DEVELOP, checkout.chaos, hidden=not checkout_with(checkout.CHAOS))
_add(DEVELOP, checkout.bench, hidden=not checkout_with(checkout.BENCHMARKS))
for subject in (events, dlq, erasure, follows, rollout):
    app.add_typer(subject.group, name=subject.__name__.rpartition(".")[2], rich_help_panel=OPERATE)

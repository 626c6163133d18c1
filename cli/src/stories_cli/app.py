"""The command line: one typer application, its commands in modules by subject."""

import typer

from . import chaos, demo, erasure, parked, produce, stack, tokens

app = typer.Typer(
    name="stories",
    help="Run and operate a Stories backend. Results go to stdout, words to stderr.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for group in (stack, tokens, demo, produce, parked, erasure, chaos):
    group.register(app)

"""The command line: one typer application, its commands in modules by subject."""

import typer

from . import chaos, demo, dlq, erasure, erasure_replay, events, import_follows, stack, tokens

app = typer.Typer(
    name="stories",
    help="Run and operate a Stories backend. Results go to stdout, words to stderr.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for group in (stack, tokens, demo, events, import_follows, dlq, erasure, erasure_replay, chaos):
    group.register(app)

"""How the command line speaks: results on stdout, words on stderr, one line for what went wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from rich.console import Console
from rich.table import Table

FAILED, USAGE, NOT_ALL_RUNNING = 1, 2, 3
WIDEST = 400

stdout = Console(soft_wrap=True, highlight=False)
stderr = Console(stderr=True, soft_wrap=True, highlight=False)


def print_table(table: Table) -> None:
    """A table on stdout, never cut: a pipe has no width, and a narrow terminal wraps."""
    Console(width=WIDEST, highlight=False).print(table)


def info(text: str) -> None:
    """A word to whoever watches."""
    stderr.print(text, markup=False)


def abort(text: str, code: int = FAILED) -> NoReturn:
    """Say what went wrong, and end."""
    info(f"stories: {text}")
    raise typer.Exit(code)


@contextmanager
def exit_on(*kinds: type[Exception]) -> Iterator[None]:
    """Turn these exceptions, which are answers and not bugs, into one line and exit code 1."""
    try:
        yield
    except kinds as error:
        abort(str(error))

"""How the command line speaks: results on stdout, words on stderr, one line for what went wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from rich.console import Console
from rich.table import Table

FAILED, USAGE, NOT_ALL_RUNNING = 1, 2, 3
WIDEST = 400

results = Console(soft_wrap=True, highlight=False)
words = Console(stderr=True, soft_wrap=True, highlight=False)


def listing(table: Table) -> None:
    """A table on stdout, never cut: a pipe has no width, and a narrow terminal wraps."""
    Console(width=WIDEST, highlight=False).print(table)


def say(text: str) -> None:
    """A word to whoever watches."""
    words.print(text, markup=False)


def fail(text: str, code: int = FAILED) -> NoReturn:
    """Say what went wrong, and end."""
    say(f"stories: {text}")
    raise typer.Exit(code)


@contextmanager
def failing_with(*kinds: type[Exception]) -> Iterator[None]:
    """Turn these exceptions, which are answers and not bugs, into one line and exit code 1."""
    try:
        yield
    except kinds as error:
        fail(str(error))

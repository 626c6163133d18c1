"""The figures by name, in the order of the report."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from . import figures

if TYPE_CHECKING:
    from .bench import Bench
    from .results import Result

Run = Callable[["Bench"], Awaitable[Sequence["Result"]]]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure: its name, one sentence, and what measures it."""

    name: str
    description: str
    run: Run


FIGURES: dict[str, Figure] = {}


def figure(name: str) -> Callable[[Run], Run]:
    """``@figure("tray")``: adds a figure, described by the first line of its docstring."""

    def add(run: Run) -> Run:
        FIGURES[name] = Figure(name, (run.__doc__ or "").strip().partition("\n")[0], run)
        return run

    return add


def load_figures() -> dict[str, Figure]:
    """All figures, after importing their modules."""
    for module in sorted(found.name for found in iter_modules(figures.__path__)):
        import_module(f"{figures.__name__}.{module}")
    return FIGURES

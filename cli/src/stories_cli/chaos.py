"""`stories chaos`: violence with a truth to compare. It lies in the checkout, beside the tests that it is one of."""

import subprocess
import sys
from typing import Annotated

import typer

from .console import abort


def register(app: typer.Typer) -> None:
    """Add this command to the application."""
    app.command()(chaos)


def chaos(
    seed: Annotated[int | None, typer.Option(help="What happens when; a fresh one by default.")] = None,
    minutes: Annotated[float, typer.Option(min=0.1, help="Of violence; healing and checks come after it.")] = 2.0,
    faults: Annotated[str | None, typer.Option(metavar="KIND,…", help="These kinds alone; by default all.")] = None,
    without: Annotated[
        str | None, typer.Option(metavar="KIND,…", help="These do not strike; the others strike as they did with them.")
    ] = None,
    forever: Annotated[
        bool, typer.Option("--forever", help="Until Ctrl-C, with memory, disk and connections drawn.")
    ] = False,
    reruns: Annotated[
        int, typer.Option(min=0, help="After a failure, at most, to name the fewest kinds of faults that fail.")
    ] = 5,
) -> None:
    """Break a stack of its own in every way, heal it, and compare all it holds with what its people did.

    It starts real servers behind proxies and two replicas of every service on a temporary folder, and takes them away
    again. Exit code 1 where a promise was broken: the history and the logs are then kept.
    """
    try:
        from stories_embedded.checkout import CHECKOUT
    except ImportError:
        abort("the embedded stack is not installed here: pip install 'stories-cli[embedded]'")
    if not (CHECKOUT / "tests" / "chaos" / "__main__.py").is_file():
        abort("chaos lies in the repository (tests/chaos): run it from a checkout")
    arguments = ["--minutes", str(minutes), "--reruns", str(reruns), *(["--forever"] if forever else [])]
    arguments += ["--seed", str(seed)] if seed is not None else []
    arguments += ["--faults", faults] if faults else []
    arguments += ["--without", without] if without else []
    raise typer.Exit(_run([sys.executable, "-m", "tests.chaos", *arguments], str(CHECKOUT)))


def _run(command: list[str], folder: str) -> int:
    """Run it to its end; Ctrl-C goes to both, and it is the child who tidies up."""
    with subprocess.Popen(command, cwd=folder) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue

"""Which faults it takes: a failed run is run again with the same seed, one kind of fault fewer each time."""

from collections.abc import Callable, Sequence

from .summary import Summary

Run = Callable[[frozenset[str]], Summary]
Say = Callable[[str], None]


def smallest(failed: Summary, run: Run, reruns: int, say: Say) -> frozenset[str]:
    """The fewest kinds that still failed, in at most so many runs. What struck least before it broke goes first."""
    kinds = frozenset(failed.injected)
    for number, kind in enumerate(suspicion(failed)[:reruns], 1):
        fewer = kinds - {kind}
        if not fewer:
            break
        say(f"re-run {number} of at most {reruns}, without {kind}: {', '.join(sorted(fewer))}")
        again = run(fewer)
        if again.violations:
            kinds = fewer & frozenset(again.injected) or fewer
    return kinds


def suspicion(failed: Summary) -> Sequence[str]:
    """Kinds that struck, the least suspicious first: those that were not under way when it first broke."""
    return sorted(failed.injected, key=lambda kind: (kind in failed.suspects, failed.injected[kind], kind))

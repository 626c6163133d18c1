"""Which faults it takes: a failed run is run again with the same seed, one kind of fault fewer each time."""

from collections.abc import Callable, Sequence

from .summary import Summary

Run = Callable[[frozenset[str]], Summary]
Say = Callable[[str], None]


def smallest(failed: Summary, run: Run, reruns: int, say: Say) -> tuple[frozenset[str], frozenset[str]]:
    """The fewest kinds that still failed, in at most so many runs, and those left out for it.

    What struck least before it broke is left out first; `run` is told which kinds are to be left out.
    """
    fewest, without = frozenset(failed.injected), frozenset(failed.kinds) - frozenset(failed.injected)
    for number, kind in enumerate(suspicion(failed)[:reruns], 1):
        if fewest == {kind}:
            break
        say(f"re-run {number} of at most {reruns}, without {kind}: {', '.join(sorted(fewest - {kind}))}")
        if run(without | {kind}).violations:
            fewest, without = fewest - {kind}, without | {kind}
    return fewest, without


def suspicion(failed: Summary) -> Sequence[str]:
    """Kinds that struck, the least suspicious first: those that were not under way when it first broke."""
    return sorted(failed.injected, key=lambda kind: (kind in failed.suspects, failed.injected[kind], kind))

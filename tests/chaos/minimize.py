"""Finds the faults that cause a failure: reruns the same seed with one kind of fault fewer each time."""

from collections.abc import Callable, Sequence

from .summary import Summary

Run = Callable[[frozenset[str]], Summary]
Log = Callable[[str], None]


def smallest(failed: Summary, run: Run, reruns: int, log: Log) -> tuple[frozenset[str], frozenset[str]]:
    """The fewest kinds that still failed in at most `reruns` runs, and the kinds left out.

    The kinds that were injected least before the failure are left out first; `run` takes the kinds to leave out.
    """
    fewest, without = frozenset(failed.injected), frozenset(failed.kinds) - frozenset(failed.injected)
    for number, kind in enumerate(suspicion(failed)[:reruns], 1):
        if fewest == {kind}:
            break
        log(f"re-run {number} of at most {reruns}, without {kind}: {', '.join(sorted(fewest - {kind}))}")
        if run(without | {kind}).violations:
            fewest, without = fewest - {kind}, without | {kind}
    return fewest, without


def suspicion(failed: Summary) -> Sequence[str]:
    """The injected kinds, least suspicious first: those that were not active at the first violation."""
    return sorted(failed.injected, key=lambda kind: (kind in failed.suspects, failed.injected[kind], kind))

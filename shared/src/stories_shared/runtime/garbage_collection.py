"""Thresholds of Python's cyclic garbage collector, for processes with very many objects and few cycles.

By default, 700 new objects start a collection and 70,000 may start a full one. Counting views spent half of its CPU
time there, and a live index of a million entries makes each full collection longer.
"""

import gc

THRESHOLDS = (50_000, 20, 50)


def tune_garbage_collection() -> None:
    """Freeze the objects made at start-up, and collect only after more objects than a batch or request makes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)

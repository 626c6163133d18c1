"""How often Python looks for cycles: rarely, in processes that hold very many objects and make few cycles.

With the defaults, every 700 new objects start a look and every 70,000 may start one through all that is held. Counting
views spent half of its processor time on that; a live index of a million entries makes each look longer still.
"""

import gc

NEW_OBJECTS, YOUNG_LOOKS, OLD_LOOKS = 50_000, 20, 50


def look_rarely() -> None:
    """Leave out what start-up has made, and look after more objects than one batch or request makes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, YOUNG_LOOKS, OLD_LOOKS)

"""A process that hangs ends itself, so that whoever supervises it starts a fresh one.

The event loop reports once in a while what of it hangs; a thread of its own looks at the reports. So it is seen too
when the loop itself is blocked. The thread also bounds the stop.
"""

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence

from stories_shared.runtime.logging import logger

log = logger(__name__)

EXIT_CODE = 70
"""Of a process that ended itself (EX_SOFTWARE of sysexits.h)."""
CHECK_EVERY_S = 0.5
# An event loop that turned no more for so long is blocked: no call of ours blocks it for a second.
BLOCKED_AFTER_S = 30.0
# What hangs must do so at every look for so long; a loop that is only late gets going within it.
STALLED_FOR_S = 10.0
# The thread itself did not run for so long: the whole process was frozen, and everything in it looks stuck.
FROZEN_S = 5.0
FORGIVEN_FOR_S = 60.0
# From the signal to the end. Whoever stops us gives ten seconds.
STOP_WITHIN_S = 9.5


class Watchdog:
    """Takes reports from the event loop and judges them from a thread.

    Args:
        end: what is done about a process that hangs; gets the reason.
    """

    def __init__(self, end: Callable[[str], None] | None = None) -> None:
        self.end = end or end_process
        self.stalled: tuple[str, ...] = ()
        self._reports = 0
        self._seen = 0
        self._heard_at = self._looked_at = time.monotonic()
        self._forgiven_until = float("-inf")
        self._hanging_since: float | None = None
        self._must_end_by: float | None = None
        self._done = threading.Event()

    def report(self, hanging: Sequence[str]) -> None:
        """The event loop turns, and this hangs in it."""
        self.stalled = tuple(hanging)
        self._reports += 1

    def arm(self) -> None:
        """Begin to watch."""
        self._heard_at = self._looked_at = time.monotonic()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def stopping(self) -> None:
        """The process was asked to stop: from now on only its end is awaited."""
        self._must_end_by = self._must_end_by or time.monotonic() + STOP_WITHIN_S

    def disarm(self) -> None:
        """The process ends by itself."""
        self._done.set()

    @property
    def alarming(self) -> tuple[str, ...]:
        """What hangs, but for a process that was frozen a moment ago."""
        return () if time.monotonic() < self._forgiven_until else self.stalled

    def look(self, now: float) -> str | None:
        """Why the process must end, or None."""
        if now - self._looked_at > FROZEN_S:
            self._forgiven_until = now + FORGIVEN_FOR_S
            self._heard_at = now
        self._looked_at = now
        if self._reports != self._seen:
            self._seen, self._heard_at = self._reports, now
        if self._must_end_by is not None:
            return f"the stop took more than {STOP_WITHIN_S} s" if now > self._must_end_by else None
        if now - self._heard_at > BLOCKED_AFTER_S:
            return f"the event loop is blocked for {now - self._heard_at:.0f} s"
        if not self.alarming:
            self._hanging_since = None
            return None
        self._hanging_since = self._hanging_since or now
        return "hanging: " + ", ".join(self.alarming) if now - self._hanging_since > STALLED_FOR_S else None

    def _watch(self) -> None:
        while not self._done.wait(CHECK_EVERY_S):
            reason = self.look(time.monotonic())
            if reason:
                self.end(reason)
                return


def end_process(reason: str) -> None:
    """Say why, show where every thread is, and end at once: what hangs would not let a stop finish."""
    log.critical("ends_itself", reason=reason, exit_code=EXIT_CODE)
    sys.stdout.flush()
    faulthandler.dump_traceback(file=sys.__stderr__ or 2)
    os._exit(EXIT_CODE)

"""Ends a process that stalls, so that its supervisor restarts it.

The event loop reports stalled tasks regularly. A thread checks the reports, so it also detects a blocked event loop.
It bounds the shutdown too.
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
"""EX_SOFTWARE of sysexits.h."""
CHECK_INTERVAL_S = 0.5
# An event loop that does not report for so long is blocked: no call of ours blocks it for a second.
BLOCKED_AFTER_S = 30.0
# Tasks must be stalled at every check for so long; a task that is only late recovers within it.
STALLED_FOR_S = 10.0
# If the thread itself did not run for so long, the whole process was frozen and every task looks stalled.
FROZEN_S = 5.0
GRACE_S = 60.0
# From the signal to the exit. Supervisors give ten seconds.
STOP_TIMEOUT_S = 9.5


class Watchdog:
    """Checks the event loop's reports in a thread.

    Args:
        end: ends the process; gets the reason.
    """

    def __init__(self, end: Callable[[str], None] | None = None) -> None:
        self.end = end or end_process
        self._stalled: tuple[str, ...] = ()
        self._reports = 0
        self._reports_seen = 0
        self._last_report_at = self._last_check_at = time.monotonic()
        self._grace_until = float("-inf")
        self._stalled_since: float | None = None
        self._stop_deadline: float | None = None
        self._done = threading.Event()

    def report(self, stalled: Sequence[str]) -> None:
        """Heartbeat of the event loop, with the names of stalled tasks."""
        self._stalled = tuple(stalled)
        self._reports += 1

    def arm(self) -> None:
        """Start the thread."""
        self._last_report_at = self._last_check_at = time.monotonic()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def begin_shutdown(self) -> None:
        """Start the shutdown deadline, and check only that from now on."""
        self._stop_deadline = self._stop_deadline or time.monotonic() + STOP_TIMEOUT_S

    def disarm(self) -> None:
        """Stop the thread: the process ends normally."""
        self._done.set()

    @property
    def stalled(self) -> tuple[str, ...]:
        """The names of stalled tasks; none in the grace period after a freeze."""
        return () if time.monotonic() < self._grace_until else self._stalled

    def check(self, now: float) -> str | None:
        """The reason to end the process, or None."""
        if now - self._last_check_at > FROZEN_S:
            self._grace_until = now + GRACE_S
            self._last_report_at = now
        self._last_check_at = now
        if self._reports != self._reports_seen:
            self._reports_seen, self._last_report_at = self._reports, now
        if self._stop_deadline is not None:
            return f"the stop took more than {STOP_TIMEOUT_S} s" if now > self._stop_deadline else None
        if now - self._last_report_at > BLOCKED_AFTER_S:
            return f"the event loop is blocked for {now - self._last_report_at:.0f} s"
        if not self.stalled:
            self._stalled_since = None
            return None
        self._stalled_since = self._stalled_since or now
        return "stalled: " + ", ".join(self.stalled) if now - self._stalled_since > STALLED_FOR_S else None

    def _watch(self) -> None:
        while not self._done.wait(CHECK_INTERVAL_S):
            reason = self.check(time.monotonic())
            if reason:
                self.end(reason)
                return


def end_process(reason: str) -> None:
    """Log the reason, dump every thread's traceback and exit at once: a graceful shutdown would stall too."""
    log.critical("watchdog_exit", reason=reason, exit_code=EXIT_CODE)
    sys.stdout.flush()
    faulthandler.dump_traceback(file=sys.__stderr__ or 2)
    os._exit(EXIT_CODE)

"""What the rules refuse, as the callers of a verb see it."""

import errno
from datetime import timedelta

MACHINE_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE})
"""What the operating system answers when the machine, and no upload, is at fault."""

REASONS = (
    *("not_media", "type_mismatch", "unsupported", "damaged"),
    *("too_long", "too_large", "still_images_off", "changed"),
)
"""Why media cannot become a story."""


class IngestError(Exception):
    """Anything that a rule of this service refuses."""


class NoSuchStory(IngestError):
    """Malformed, another's, ended or never there: callers cannot tell these apart."""


class WrongState(IngestError):
    """The story is in a state in which this cannot be done."""

    def __init__(self, state: str) -> None:
        super().__init__(f"the story is {state}")
        self.state = state


class NothingUploaded(IngestError):
    """Publish was asked for before anything had been uploaded."""


class LeaseLost(IngestError):
    """The job is no longer this worker's: cancelled, ended or taken over."""


class TooMany(IngestError):
    """A limit on how much an author may have at a time; `wait` is when to ask again at the earliest."""

    def __init__(self, limit: str, retry_after: timedelta) -> None:
        super().__init__(limit)
        self.limit = limit
        self.retry_after = retry_after


class MediaRefused(IngestError):
    """The uploaded media cannot become a story; `reason` is one of `REASONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class WorkerCrashed(Exception):
    """The media worker ended without a verdict: by a bug of ours, or killed. It says nothing about the upload."""


class MachineFault(Exception):
    """This machine cannot do media work now, its disk is full for example; another can.

    `room` is how many bytes the job that failed needs.
    """

    def __init__(self, detail: str, needed_bytes: int = 0) -> None:
        super().__init__(detail)
        self.needed_bytes = needed_bytes


def is_machine_fault(error: Exception) -> bool:
    """Whether an error blames the machine."""
    return isinstance(error, MachineFault) or (isinstance(error, OSError) and error.errno in MACHINE_ERRNOS)

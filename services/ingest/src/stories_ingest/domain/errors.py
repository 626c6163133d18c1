"""The errors that use cases raise."""

import errno
from datetime import timedelta
from typing import Literal, get_args

MACHINE_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE})
"""Errors of the operating system that blame this machine, not the upload."""

Reason = Literal[
    "not_media",
    "type_mismatch",
    "unsupported",
    "damaged",
    "too_long",
    "too_large",
    "still_images_off",
    "changed",
    "timed_out",
    "quota",
]
REASONS: tuple[Reason, ...] = get_args(Reason)
"""Why media is refused; the same as `MEDIA_REASONS` of the problem."""


class IngestError(Exception):
    """Base class of the errors of this service's rules."""


class NoSuchStory(IngestError):
    """The id is malformed, unknown or ended, or belongs to somebody else; callers cannot tell which."""


class NoSuchHighlight(IngestError):
    """The highlight does not exist, or the caller may not see it."""


class NotArchived(IngestError):
    """A story of a highlight is not in its author's archive; `index` is its position."""

    def __init__(self, index: int) -> None:
        super().__init__("is not in the caller's archive")
        self.index = index


class NotInHighlight(IngestError):
    """The cover of a highlight is not one of its stories."""


class WrongState(IngestError):
    """The operation is not allowed in the story's state."""

    def __init__(self, state: str) -> None:
        super().__init__(f"the story is {state}")
        self.state = state


class NothingUploaded(IngestError):
    """Publish was called before the upload."""


class MediaChanged(IngestError):
    """A story's media changed while it was being copied."""


class LeaseLost(IngestError):
    """This worker no longer holds the job's lease: it was cancelled, ended or taken over."""


class TooMany(IngestError):
    """The author has reached a limit, `drafts` or `quota`; retry after `retry_after` at the earliest."""

    def __init__(self, limit: str, retry_after: timedelta) -> None:
        super().__init__(limit)
        self.limit = limit
        self.retry_after = retry_after


class Suspended(TooMany):
    """An admin suspended the author from creating stories, for `retry_after` from now."""

    def __init__(self, retry_after: timedelta) -> None:
        super().__init__("suspended", retry_after)


class MediaRefused(IngestError):
    """The uploaded media cannot become a story; `reason` is one of `REASONS`, `detail` is for the log."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class SharingOff(IngestError):
    """The author of a story does not let others share it."""


class NotInFuture(IngestError):
    """A story is scheduled for a time in the past, or too far ahead; the message says which."""


class NotInRollout(IngestError):
    """The rollout policy does not let the user create stories; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class WorkerCrashed(Exception):
    """The media worker ended without a result, by a bug or killed. The upload is not at fault."""


class MachineFault(Exception):
    """This machine cannot process media now, for example because its disk is full; another machine can.

    `needed_bytes` is the disk space that the failed job needs.
    """

    def __init__(self, detail: str, needed_bytes: int = 0) -> None:
        super().__init__(detail)
        self.needed_bytes = needed_bytes


def is_machine_fault(error: Exception) -> bool:
    """Whether this machine caused the error."""
    return isinstance(error, MachineFault) or (isinstance(error, OSError) and error.errno in MACHINE_ERRNOS)

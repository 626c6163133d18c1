"""Domain errors; routes map them to HTTP."""

REASONS = (
    *("missing", "malformed", "forged", "foreign", "story", "expired"),
    *("ended", "blocked", "revision", "author", "comment"),
)
"""Why access to a story is denied."""


class EngagementError(Exception):
    """Base class of the errors that are raised before anything was changed."""


class AccessDenied(EngagementError):
    """The caller may not access this story now. Clients get the same 404 as for a story that never existed, but for
    a `missing` ticket (422) and one that has `expired` (403).

    `reason`, one of `REASONS`, is for the metric alone: the ticket is `missing`, `malformed`, `forged`, `foreign`
    (another viewer's), another `story`'s, `expired`; the story has `ended`; `blocked`; the ticket's `revision`; the
    `author` or the `comment` is not theirs.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotFound(EngagementError):
    """The story has ended, or the comment does not exist (any more)."""


class FeatureDisabled(EngagementError):
    """The author has disabled this: `comments`, `reactions` or `sharing`."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class FriendsOnly(EngagementError):
    """Comments are for friends of the author, and the caller is not one."""


class OwnContent(EngagementError):
    """Users cannot report what they made themselves."""


class AlreadyDecided(EngagementError):
    """The report was decided in another way."""


class WrongAnswer(EngagementError):
    """The layer does not take this answer: `field` of the request is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class AnswerFinal(EngagementError):
    """The caller has answered this quiz before."""


class ReplicaStale(Exception):
    """This replica has fallen behind the log of access events, or has not read the story yet, so it cannot decide."""

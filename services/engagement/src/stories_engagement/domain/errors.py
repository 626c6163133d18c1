"""What can be wrong with a wish, in the words of the domain; the doors translate it."""

REASONS = (
    *("missing", "malformed", "forged", "foreign", "story", "expired"),
    *("ended", "blocked", "revision", "author", "comment"),
)
"""Why somebody has no right to a story."""


class AccessDenied(Exception):
    """The caller has no right to this story now. To the outside it is the same as a story that never was.

    `reason`, one of `REASONS`, is for the metric alone: the ticket is `missing`, `malformed`, `forged`, `foreign`
    (another viewer's), another `story`'s, `expired`; the story has `ended`; `blocked`; the ticket's `revision`; the
    `author` or the `comment` is not theirs.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotFound(Exception):
    """The story has ended, or the comment is not there (any more)."""


class FeatureDisabled(Exception):
    """The author has switched this off: `comments`, `reactions` or `sharing`."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class FriendsOnly(Exception):
    """Comments are for friends of the author, and the caller is none."""


class ReplicaStale(Exception):
    """This replica has not heard lately what may have ended or been forbidden, so it cannot tell."""

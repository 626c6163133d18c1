"""Problem documents (RFC 9457) for all errors.

``KINDS`` is the registry: an unlisted slug cannot be raised, and docs/http.md lists each of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import msgspec
from starlette.responses import Response

CONTENT_TYPE = "application/problem+json"
MAX_ERRORS = 20  # reported for one request


class InputError(TypedDict):
    """One error in a request: its location (a path of keys, ``["body", "media", "size"]``) and a message."""

    loc: list[str | int]
    msg: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A problem type, ``urn:stories:<slug>``."""

    slug: str
    status: int
    title: str
    detail: str
    """What happened, where the place that raises it has nothing closer to say."""
    reasons: tuple[str, ...] = ()
    """The values of the member ``reason``."""
    retry_after: bool = False
    """Whether it comes with ``Retry-After``; 429 and 503 always do."""

    @property
    def type(self) -> str:
        return f"urn:stories:{self.slug}"

    def example(self) -> dict[str, Any]:
        """A document of this kind."""
        made: dict[str, Any] = {"type": self.type, "title": self.title, "status": self.status, "detail": self.detail}
        if self.slug == "invalid":
            made["errors"] = [{"loc": ["query", "limit"], "msg": "must be a whole number from 1 to 100"}]
        return made | ({"reason": self.reasons[0]} if self.reasons else {})


MEDIA_REASONS = (
    *("not_media", "type_mismatch", "unsupported", "damaged"),
    *("too_long", "too_large", "still_images_off", "changed", "timed_out", "quota"),
)
"""Why an upload is refused."""

KINDS: dict[str, Kind] = {
    kind.slug: kind
    for kind in (
        Kind("not-json", 400, "Invalid JSON", "the body is not JSON"),
        Kind("bad-request", 400, "Bad request", "the request cannot be read"),
        Kind("unauthenticated", 401, "Unauthorized", "a bearer token is needed"),
        Kind("forbidden", 403, "Forbidden", "the caller may not do this"),
        Kind("ticket-expired", 403, "Ticket expired", "the ticket's time is over; get the story again"),
        Kind("comments-friends-only", 403, "Comments are for friends only", "only friends of the author may comment"),
        Kind(
            "not-in-rollout",
            403,
            "Not in the rollout",
            "the rollout policy does not include the caller",
            ("country", "percentage", "denied", "paused"),
        ),
        Kind(
            "external-graph",
            403,
            "Follows are managed externally",
            "follows are changed by events of the host application",
        ),
        Kind("suspended", 403, "Suspended from creating stories", "an admin has suspended the caller"),
        Kind("not-found", 404, "Not found", "it does not exist, has ended or is not visible to the caller"),
        Kind("method-not-allowed", 405, "Method not allowed", "the path has other methods; see Allow"),
        Kind("wrong-state", 409, "Wrong story state", "its state does not allow this"),
        Kind("comments-off", 409, "Comments are off", "the author has switched comments off"),
        Kind("reactions-off", 409, "Reactions are off", "the author has switched reactions off"),
        Kind("sharing-off", 409, "Sharing is off", "the author has switched sharing off"),
        Kind("answer-final", 409, "Answer is final", "an answer to a quiz cannot be changed"),
        Kind(
            "idempotency-running",
            409,
            "Request with this idempotency key in progress",
            "the first request with this key is still running",
            retry_after=True,
        ),
        Kind("too-large", 413, "Content too large", "the body is larger than the limit"),
        Kind("unsupported-media-type", 415, "Unsupported media type", "the body must be application/json"),
        Kind("invalid", 422, "Unprocessable content", "the request has the wrong shape"),
        Kind("ticket-missing", 422, "Ticket missing", "the header Story-Ticket is missing"),
        Kind("media-refused", 422, "Media refused", "the upload cannot become a story", MEDIA_REASONS),
        Kind(
            "idempotency-reused", 422, "Idempotency key reused with another body", "the key was used with another body"
        ),
        Kind("rate-limited", 429, "Too many requests", "too many requests; see Retry-After"),
        Kind("quota-reached", 429, "Quota reached", "no further story may be posted for now"),
        Kind("too-many-drafts", 429, "Too many drafts", "too many drafts are open"),
        Kind("internal", 500, "Internal error", "an unexpected error in the service"),
        Kind("unavailable", 503, "Service unavailable", "a dependency does not answer; see Retry-After"),
    )
}


class Problem(Exception):
    """Raised below a route; becomes the response. ``problem`` makes it."""

    def __init__(
        self,
        kind: Kind,
        detail: str | None,
        errors: Sequence[InputError] | None,
        headers: Mapping[str, str] | None,
        members: dict[str, Any],
    ) -> None:
        super().__init__(detail or kind.title)
        self.kind, self.status = kind, kind.status
        self.detail = detail or kind.detail
        self.errors = list(errors)[:MAX_ERRORS] if errors is not None else None
        self.headers = dict(headers or {})
        self.members = members

    @property
    def slug(self) -> str:
        return self.kind.slug

    def document(self) -> dict[str, Any]:
        """The problem document."""
        document: dict[str, Any] = {"type": self.kind.type, "title": self.kind.title, "status": self.status}
        document["detail"] = self.detail
        if self.errors is not None:
            document["errors"] = self.errors
        return document | self.members

    def response(self) -> Response:
        return Response(
            msgspec.json.encode(self.document()),
            self.status,
            headers={"Cache-Control": "private, no-store"} | self.headers,
            media_type=CONTENT_TYPE,
        )


def problem(
    slug: str,
    detail: str | None = None,
    *,
    errors: Sequence[InputError] | None = None,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> Problem:
    """A problem of a kind, with its status and title. Further keywords are extension members (``reason``)."""
    return Problem(KINDS[slug], detail, errors, headers, members)


def not_found() -> Problem:
    """404, the same for malformed, not yours, not visible, ended and never existed."""
    return problem("not-found")


def invalid(msg: str, *loc: str | int) -> Problem:
    """422 with one error: ``invalid("must not be yourself", "path", "id")``."""
    return problem("invalid", msg, errors=[{"loc": list(loc), "msg": msg}])


def unavailable(detail: str, after: int = 1) -> Problem:
    """503 with ``Retry-After`` in seconds."""
    return problem("unavailable", detail, headers={"Retry-After": str(max(1, after))})


def too_many(retry_after: int, slug: str = "rate-limited", detail: str | None = None) -> Problem:
    """429 with ``Retry-After`` in seconds."""
    return problem(slug, detail, headers={"Retry-After": str(max(1, retry_after))})


def unauthenticated(detail: str | None) -> Problem:
    """401 with the challenge of RFC 6750: bare without a token, ``invalid_token`` with a bad one."""
    challenge = 'Bearer realm="stories"'
    if detail is not None:
        challenge += f', error="invalid_token", error_description="{detail}"'
    return problem("unauthenticated", detail, headers={"WWW-Authenticate": challenge})

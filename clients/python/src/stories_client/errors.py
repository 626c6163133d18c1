"""What the client raises."""

import json
from typing import Any

import httpx

TYPES = "urn:stories:"


class StoriesError(Exception):
    """The server refused a request, or did not answer (``status`` 0).

    Attributes:
        status: the HTTP status, 0 without an answer.
        type: the slug of the problem's type: ``not-found`` of ``urn:stories:not-found``.
        title: what the problem is called.
        reason: why, where a type has several reasons (``media-refused``).
        retry_after: seconds to wait, if the server says so.
        request_id: the request's id in the server's logs.
        problem: the whole answer.
    """

    def __init__(self, status: int, type: str, title: str, problem: Any = None, headers: Any = None) -> None:  # noqa: A002
        super().__init__(f"{status} {type}: {title}")
        self.status = status
        self.type = type
        self.title = title
        self.problem: dict[str, Any] = problem if isinstance(problem, dict) else {}
        self.reason: str | None = self.problem.get("reason")
        sent = headers or {}
        wait = sent.get("Retry-After", "")
        self.retry_after = int(wait) if wait.isdecimal() else None
        self.request_id: str | None = sent.get("X-Request-Id")

    @property
    def temporary(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in {0, 429, 502, 503, 504}

    @classmethod
    def of(cls, response: httpx.Response) -> "StoriesError":
        """The error of a response that was read."""
        try:
            problem = json.loads(response.content)
        except ValueError:
            problem = {}
        found = problem if isinstance(problem, dict) else {}
        slug = str(found.get("type", "")).removeprefix(TYPES) or "unknown"
        title = str(found.get("title") or response.reason_phrase)
        return cls(response.status_code, slug, title, found, response.headers)

    @classmethod
    def unreachable(cls, cause: Exception) -> "StoriesError":
        """The error of a request without an answer."""
        return cls(0, "unreachable", str(cause) or "No answer")

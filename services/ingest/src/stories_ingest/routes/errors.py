"""Domain errors as problem documents (RFC 9457)."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import Query
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from stories_shared.auth.tokens import Caller
from stories_shared.http.deadline import DeadlineRoute
from stories_shared.http.problems import conflict, forbidden, invalid, not_found, problem, too_many, wrong_state

from stories_ingest.domain.errors import (
    MediaRefused,
    NoSuchHighlight,
    NoSuchStory,
    NotArchived,
    NothingUploaded,
    NotInFuture,
    NotInHighlight,
    NotInRollout,
    SharingOff,
    Suspended,
    TooMany,
    WrongState,
)
from stories_ingest.domain.story import Requester

MAX_WAIT_S = 30
SLUGS = {"drafts": "too-many-drafts", "quota": "quota-reached"}


@contextmanager
def translate_errors(publish_time: str = "at") -> Iterator[None]:
    """Translate the errors of a use case to HTTP responses. Timeouts are up to the route.

    `publish_time` is the field of the body with the time of a scheduled story.
    """
    try:
        yield
    except (NoSuchStory, NoSuchHighlight) as error:
        raise not_found() from error
    except NotArchived as error:
        raise invalid(str(error), "body", "story_ids", error.index) from error
    except NotInHighlight as error:
        raise invalid("must be one of the highlight's stories", "body", "cover_story_id") from error
    except WrongState as error:
        raise wrong_state(str(error)) from error
    except NothingUploaded as error:
        raise wrong_state("nothing has been uploaded yet") from error
    except MediaRefused as error:
        raise problem("media-refused", error.reason, reason=error.reason) from error
    except SharingOff as error:
        raise conflict("sharing-off") from error
    except NotInFuture as error:
        raise invalid(str(error), "body", publish_time) from error
    except NotInRollout as error:
        raise problem("not-in-rollout", error.reason, reason=error.reason) from error
    except Suspended as error:
        raise forbidden("suspended") from error
    except TooMany as error:
        raise too_many(math.ceil(error.retry_after.total_seconds()), SLUGS[error.limit]) from error


Wait = Annotated[
    float, Query(ge=0, le=MAX_WAIT_S, allow_inf_nan=False, description="seconds to hold the answer, at most 30")
]
"""The query parameter `wait` of a long-poll route."""
read_wait = TypeAdapter(Wait).validate_python


class LongPollRoute(DeadlineRoute):
    """A route with a deadline that the caller may extend with ``?wait=``."""

    def deadline_s(self, request: Request) -> float:
        """The default deadline plus the caller's `wait`, in seconds."""
        try:
            wait_s = read_wait(request.query_params.get("wait", "0"))
        except ValidationError:
            wait_s = 0.0  # the route's validation responds with 422
        return super().deadline_s(request) + wait_s


def requester_of(caller: Caller) -> Requester:
    """The caller as the use cases know it."""
    return Requester(caller.user_id, caller.is_admin)

"""What the rules refuse, as problem documents."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import Query
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from stories_shared.auth.tokens import Caller
from stories_shared.http.deadline import DeadlineRoute
from stories_shared.http.problems import not_found, problem, too_many, wrong_state

from stories_ingest.domain.errors import MediaRefused, NoSuchStory, NothingUploaded, TooMany, WrongState
from stories_ingest.domain.story import Requester

MAX_WAIT_S = 30
SLUGS = {"drafts": "too-many-drafts", "quota": "quota-reached"}


@contextmanager
def translate_errors() -> Iterator[None]:
    """Around every call of a verb: its refusals become answers. Time is kept by the route."""
    try:
        yield
    except NoSuchStory as error:
        raise not_found() from error
    except WrongState as error:
        raise wrong_state(str(error)) from error
    except NothingUploaded as error:
        raise wrong_state("nothing has been uploaded yet") from error
    except MediaRefused as error:
        raise problem("media-refused", error.reason, reason=error.reason) from error
    except TooMany as error:
        raise too_many(math.ceil(error.wait.total_seconds()), SLUGS[error.what]) from error


Wait = Annotated[
    float, Query(ge=0, le=MAX_WAIT_S, allow_inf_nan=False, description="seconds to hold the answer, at most 30")
]
"""The parameter `wait` of a held route."""
read_wait = TypeAdapter(Wait).validate_python


class LongPollRoute(DeadlineRoute):
    """A timely route whose answer the caller may wish to be held with ``?wait=``."""

    def deadline_s(self, request: Request) -> float:
        """What every route may take, and what the caller is ready to wait."""
        try:
            held = read_wait(request.query_params.get("wait", "0"))
        except ValidationError:
            held = 0.0  # the route is about to refuse it
        return super().deadline_s(request) + held


def requester_of(caller: Caller) -> Requester:
    """Whoever calls, as the rules know them."""
    return Requester(caller.user_id, caller.is_admin)

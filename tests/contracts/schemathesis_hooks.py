"""Hooks of schemathesis: users, existing stories, and errors that no schema describes."""

import json
import os
from itertools import count
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis.core.parameters import ParameterLocation

from tests.contracts.expected_failures import is_failure, spare_others

PROBE: dict[str, Any] = json.loads(Path(os.environ["STORIES_PROBE"]).read_text(encoding="utf-8"))
TURN = count()
DRAFTS_OWN = {"cancel_story", "publish_story", "renew_upload", "delete_story"}
"""Operations that would remove the stories that the others need."""


@schemathesis.auth(refresh_interval=None)
class Turns:
    """All users in turn, so that no rate limit is reached."""

    def get(self, case: Any, ctx: Any) -> dict[str, Any]:
        people = PROBE["people"]
        who = people[0] if case.operation.path.startswith("/v1/admin/") else people[next(TURN) % len(people)]
        return dict(who)

    def set(self, case: Any, data: dict[str, Any], ctx: Any) -> None:
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data['token']}"}
        components = case.meta.components if case.meta else {}
        spare_others(case)
        path = components.get(ParameterLocation.PATH)
        if path is None or path.mode.is_negative or "story_id" not in (case.path_parameters or {}):
            return
        if case.operation.definition.raw.get("operationId") not in DRAFTS_OWN:
            case.path_parameters = {**case.path_parameters, "story_id": data["story"]}
            case.headers["Story-Ticket"] = data["ticket"]


@schemathesis.hook
def map_query(context: Any, query: dict[str, Any]) -> dict[str, Any]:
    """Limit query strings to the length of a request line."""
    cut = {name: value[:4096] if isinstance(value, str) else value for name, value in (query or {}).items()}
    return cut or query


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Whether it is a failure."""
    return is_failure(failure, case, response)

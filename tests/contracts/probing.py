"""What schemathesis is told about the running stack: who asks, which stories there are, what no document can say."""

import json
import os
from itertools import count
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis.core.parameters import ParameterLocation

from tests.contracts.beyond import is_failure, sparing

PROBE: dict[str, Any] = json.loads(Path(os.environ["STORIES_PROBE"]).read_text(encoding="utf-8"))
TURN = count()
DRAFTS_OWN = {"cancel_story", "publish_story", "renew_form", "delete_story"}
"""Operations that would take the stories away that the others ask about."""


@schemathesis.auth(refresh_interval=None)
class Turns:
    """Everybody in turn, so that no limit is reached before the end."""

    def get(self, case: Any, ctx: Any) -> dict[str, Any]:
        people = PROBE["people"]
        who = people[0] if case.operation.path.startswith("/v1/admin/") else people[next(TURN) % len(people)]
        return dict(who)

    def set(self, case: Any, data: dict[str, Any], ctx: Any) -> None:
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data['token']}"}
        components = case.meta.components if case.meta else {}
        sparing(case)
        path = components.get(ParameterLocation.PATH)
        if path is None or path.mode.is_negative or "story_id" not in (case.path_parameters or {}):
            return
        if case.operation.definition.raw.get("operationId") not in DRAFTS_OWN:
            case.path_parameters = {**case.path_parameters, "story_id": data["story"]}
            case.headers["Story-Ticket"] = data["ticket"]


@schemathesis.hook
def map_query(context: Any, query: dict[str, Any]) -> dict[str, Any]:
    """Long enough to be refused, short enough for a request line."""
    cut = {name: value[:4096] if isinstance(value, str) else value for name, value in (query or {}).items()}
    return cut or query


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Whether it is one."""
    return is_failure(failure, case, response)

"""What schemathesis is told about the running stack: who asks, which stories there are, what no document can say."""

import json
import os
from itertools import count
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import TestPhase

PROBE: dict[str, Any] = json.loads(Path(os.environ["STORIES_PROBE"]).read_text(encoding="utf-8"))
TURN = count()
DRAFTS_OWN = {"cancel_story", "publish_story", "renew_form", "delete_story"}
"""Operations that would take the stories away that the others ask about."""
BEYOND_SCHEMAS = (
    "not a cursor of this list",  # sealed for a user and a list
    "must be one fully qualified emoji",
    "must not be yourself",
    "Expected `int`, got `float`",
    "Input should be a valid integer",  # 1.0 is an integer to JSON Schema; whole numbers are written without a fraction
    "a key must not hold NUL",
    "must not hold NUL",
    "a layer has at most 16 KiB",
    "number out of range",
    "nested deeper than",
    "must be one of ",  # a lifetime that this installation offers
)
"""What a request in the right shape may still be refused for with 422."""
OF_STATE = {"urn:stories:idempotency-reused", "urn:stories:media-refused"}
"""The same, for what was done before."""

schemathesis.openapi.format("emoji", st.sampled_from(["❤️", "👍🏽", "🎉", "🇸🇪"]))


@schemathesis.auth(refresh_interval=None)
class Turns:
    """Everybody in turn, so that no limit is reached before the end; in stories of several steps always the author."""

    def get(self, case: Any, ctx: Any) -> dict[str, Any]:
        steps = case.meta is None or case.meta.phase.name is TestPhase.STATEFUL
        people = PROBE["people"]
        who = people[0] if steps or case.operation.path.startswith("/v1/admin/") else people[next(TURN) % len(people)]
        return dict(who)

    def set(self, case: Any, data: dict[str, Any], ctx: Any) -> None:
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data['token']}"}
        components = case.meta.components if case.meta else {}
        path = components.get(ParameterLocation.PATH)
        steps = case.meta is None or case.meta.phase.name is TestPhase.STATEFUL
        if steps or path is None or path.mode.is_negative or "story_id" not in (case.path_parameters or {}):
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
    """Whether it is one: not where a rule beyond the schema has refused, nor where a draft is looked for by readers."""
    name = type(failure).__name__
    if name == "RejectedPositiveData" and response.status_code == 422:
        problem = json.loads(response.content)
        told = [each["msg"] for each in problem.get("errors", [])]
        return problem["type"] not in OF_STATE and not any(each.startswith(BEYOND_SCHEMAS) for each in told)
    if name == "EnsureResourceAvailability":
        return bool(case.operation.definition.raw["x-service"] == "ingest")
    return True

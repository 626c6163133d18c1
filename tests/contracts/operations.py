"""The documented responses of the running services, from their OpenAPI documents."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from stories_shared.events.cloudevents import SERVICES
from stories_shared.events.ids import new_id

from ..journeys.stack import Stack

OPEN = {("GET", "/v1/config")}
"""Operations without authentication."""
ENDLESS = {("GET", "/v1/live")}
"""Operations whose response does not end; they have tests of their own."""
REPORT = {"reason": "spam", "text": None}
GOOD: Mapping[str, Mapping[str, Any]] = {
    "/v1/stories/{story_id}": {"reactions": True},
    "/v1/stories/{story_id}/reaction": {"emoji": "❤️"},
    "/v1/stories/{story_id}/comments": {"text": "hello"},
    "/v1/stories/{story_id}/answers/{layer_id}": {"option": 0},
    "/v1/stories/{story_id}/reports": REPORT,
    "/v1/comments/{comment_id}/reports": REPORT,
    "/v1/users/{user_id}/seen": {"up_to": new_id()},
    "/v1/me/highlights/{highlight_id}": {"title": "Summer"},
    "/v1/admin/reports/{report_id}/decision": {"action": "keep", "days": None},
    "/v1/admin/webhooks/{webhook_id}": {"events": ["story-posted"]},
}
"""A valid body for every path with an id that requires one."""
QUERIES = {
    "/v1/stories/{story_id}/explain": "?viewer=ann",
    "/v1/stories/{story_id}/answers": f"?layer_id={new_id()}",
    "/v1/rings": "?user_ids=ann",
    "/v1/reels": "?user_ids=ann",
}
"""The queries that a path requires."""
ELSEWHERE = {
    "story_id": new_id(),
    "comment_id": new_id(),
    "user_id": "somebody",
    "layer_id": new_id(),
    "highlight_id": new_id(),
    "report_id": new_id(),
    "webhook_id": new_id(),
    "delivery_id": new_id(),
    "tag": "sea",
}
"""A value for every parameter of a path; the ids are nobody's."""
METHODS = ("GET", "PUT", "POST", "PATCH", "DELETE")


@dataclass(frozen=True)
class Operation:
    """One documented method of one path."""

    method: str
    path: str
    about: Mapping[str, Any]

    def at(self, **values: str) -> str:
        """The path with its parameters filled in, by nobody's ids where none are given."""
        return self.path.format(**{**ELSEWHERE, **values})

    @property
    def body(self) -> dict[str, Any]:
        """A valid body as an argument of a call; empty if none is required."""
        required = self.about.get("requestBody", {}).get("required", False)
        return {"json": GOOD[self.path]} if required else {}

    @property
    def takes_json(self) -> bool:
        """Whether it has a body."""
        return "requestBody" in self.about

    @property
    def is_for_admins(self) -> bool:
        """Whether others get 404."""
        return self.path.startswith("/v1/admin/")

    @property
    def takes_ticket(self) -> bool:
        """Whether it has the header `Story-Ticket`."""
        return any(each["name"] == "Story-Ticket" for each in self.about["parameters"])

    @property
    def queries(self) -> set[str]:
        """Names of its query parameters."""
        return {each["name"] for each in self.about["parameters"] if each["in"] == "query"}


def parameters(document: Mapping[str, Any], about: Mapping[str, Any]) -> list[Any]:
    """The parameters of an operation, without references."""
    shared = document["components"]["parameters"]
    return [shared[each["$ref"].rpartition("/")[2]] if "$ref" in each else each for each in about.get("parameters", [])]


async def operations(stack: Stack) -> list[Operation]:
    """Every operation of every service."""
    processes, found = await stack.processes(), []
    async with httpx.AsyncClient(trust_env=False) as http:
        for service in SERVICES:
            document = (await http.get(f"{processes[service]['url']}/openapi.json")).json()
            found += [
                Operation(method.upper(), path, {**about, "parameters": parameters(document, about)})
                for path, methods in document["paths"].items()
                for method, about in methods.items()
                if path.startswith("/v1/") and (method.upper(), path) not in ENDLESS
            ]
    return found

"""What a client knows beyond the links: which user to send as, what to upload, which values cannot be generated."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from ..journeys.people import Person
from ..journeys.waiting import SOON

OF_THE_AUTHOR = {"get_story_receipt", "list_viewers"}
CHANGES = {"publish_story", "change_story", "delete_story"}
CLOSINGS = {"cancel_story", "delete_story"}
UNGUESSABLE = {"cursor", "reply_to", "Story-Ticket"}
SUCCESS = range(200, 300)


@dataclass
class Client:
    """Sends requests as every user, and remembers stories, tickets and comments."""

    people: Sequence[Person]
    admin: Person
    authors: dict[str, Person] = field(default_factory=dict)
    holders: dict[str, Person] = field(default_factory=dict)
    writers: dict[str, Person] = field(default_factory=dict)
    changed: dict[str, float] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    prepared: int = 0

    def two(self, scenario: int) -> tuple[Person, Person]:
        """The users of a scenario."""
        many = len(self.people)
        return self.people[scenario % many], self.people[(scenario + 1 + scenario // many % (many - 1)) % many]

    def prepare(self, case: Any, found: Mapping[str, Mapping[str, Any]], body: Any) -> None:
        """Make a request meaningful: keep values of links, and replace generated ids by existing ones.

        One request in eight stays unchanged.
        """
        self.prepared += 1
        if self.prepared % 8 == 0:
            return
        for place in ("path_parameters", "query", "headers"):
            linked, sent = found.get(place, {}), getattr(case, place) or {}
            unguessable = sent.keys() if "cursor" in linked else UNGUESSABLE
            kept = {name: value for name, value in sent.items() if name not in unguessable}
            kept |= linked
            if kept != sent:
                setattr(case, place, kept)
        if "limit" in {each.name for each in case.operation.query}:
            case.query = {**(case.query or {}), "limit": 1}
        if isinstance(case.body, dict):
            case.body = {name: value for name, value in case.body.items() if name not in UNGUESSABLE} | body
            if name_of(case) == "create_story":
                usual = self.people[0].usual
                more = {} if self.prepared % 2 else case.body
                case.body = {**more, "media": {"content_type": usual.content_type, "size": len(usual.content)}}

    def user_of(self, case: Any, parent: Person | None, two: tuple[Person, Person]) -> Person:
        """The user of a request: one who is allowed, else the user of the previous response, else any."""
        sent = case.path_parameters or {}
        if case.operation.path.startswith("/v1/admin/"):
            return self.admin
        author = self.authors.get(story_of(case))
        if author is not None and (service_of(case) == "ingest" or name_of(case) in OF_THE_AUTHOR):
            return author
        holder = self.holders.get(ticket_of(case)) or self.writers.get(str(sent.get("comment_id")))
        if holder is not None:
            return holder
        if author is not None and name_of(case) == "get_story":
            return next(each for each in two if each is not author)
        return parent or two[self.prepared % 2]

    def learn(self, person: Person, case: Any, response: Any) -> None:
        """Remember the ids in a response, and upload if it contains an upload form."""
        if response.status_code not in SUCCESS:
            return
        if name_of(case) in CLOSINGS:
            self.gone.add(story_of(case))
        if name_of(case) in CHANGES:
            self.changed[story_of(case)] = time.monotonic()
        answer = json.loads(response.content) if response.content else {}
        if answer.get("state") == "live":
            self.live.add(answer["id"])
        for item in answer.get("items", [answer]):
            if "ticket" in item:
                self.holders[item["ticket"]] = person
        if name_of(case) == "create_comment":
            self.writers[answer["id"]] = person
        if name_of(case) == "create_story":
            self.authors[answer["id"]] = person
            if answer["upload"] and answer["media"] == {
                "content_type": person.usual.content_type,
                "size": len(person.usual.content),
            }:
                self.upload(person, answer["upload"])

    def upload(self, person: Person, form: Mapping[str, Any]) -> None:
        """Upload as the form requires."""
        file = {"file": ("media", person.usual.content, person.usual.content_type)}
        answer = httpx.post(form["url"], data=form["fields"], files=file, timeout=60, trust_env=False)
        assert answer.is_success, answer.text

    def was_removed(self, failure: Any, case: Any) -> bool:
        """Whether a resource is missing because it was cancelled or deleted."""
        gone = story_of(case) in self.gone
        return gone and type(failure).__name__ == "EnsureResourceAvailability"

    def visible_by(self, case: Any) -> float:
        """The deadline by which a change must be visible in another service."""
        if story_of(case) in self.gone and not (name_of(case) == "get_story_receipt" and story_of(case) in self.live):
            return 0.0
        return self.changed.get(story_of(case), -SOON) + SOON


def name_of(case: Any) -> str:
    """The operation of a request."""
    return str(case.operation.definition.raw["operationId"])


def service_of(case: Any) -> str:
    """The service of an operation."""
    return str(case.operation.definition.raw["x-service"])


def story_of(case: Any) -> str:
    """The story id in the path, or an empty string."""
    return str((case.path_parameters or {}).get("story_id", ""))


def ticket_of(case: Any) -> str:
    """The ticket in the header or in the first view of the body, or an empty string."""
    views = case.body.get("views") if isinstance(case.body, dict) else None
    first = views[0] if isinstance(views, list) and views else None
    inside = first.get("ticket") if isinstance(first, dict) else None
    return str((case.headers or {}).get("Story-Ticket") or inside or "")

"""Rate limits: every limited operation returns its remaining quota, and only time restores it."""

import re

import pytest
from stories_shared.events.ids import new_id

from ..journeys.installation import Installation
from ..journeys.people import Person
from .operations import OPEN, QUERIES, Operation

POLICY = re.compile(r'"(?P<name>[a-z]+)";q=(?P<quota>[0-9]+);w=60').fullmatch
LEFT = re.compile(r'"(?P<name>[a-z]+)";r=(?P<left>[0-9]+);t=(?P<seconds>[0-9]+)').fullmatch
ALSO_GOOD = {
    "/v1/stories": {"media": {"content_type": "video/mp4", "size": 1000}},
    "/v1/views": {"views": [{"ticket": "nonsense"}]},
    "/v1/me/privacy": {"view_history": True},
    "/v1/me/archive-settings": {"enabled": False},
    "/v1/me/highlights": {"title": "Summer", "story_ids": [new_id()]},
    "/v1/me/hidden-words": {"words": []},
    "/v1/admin/webhooks": {"url": "https://127.0.0.1:9/", "events": ["story-posted"]},
}


async def send_valid_request(person: Person, operation: Operation) -> tuple[int, dict[str, str]]:
    """Status and headers of a valid request about something that does not exist."""
    path = operation.at() + QUERIES.get(operation.path, "")
    body = (
        {"json": ALSO_GOOD[operation.path]} if operation.path in ALSO_GOOD and operation.takes_json else operation.body
    )
    answer = await person.call(operation.method, path, **body)
    return answer.status_code, dict(answer.headers)


async def test_every_limited_operation_returns_its_remaining_quota(
    installation: Installation, documented: list[Operation]
) -> None:
    person, root = installation.person("ann"), installation.admin()
    limits = {**(await installation.http.get("/v1/config")).json()["limits"]}
    limited = [operation for operation in documented if "429" in operation.about["responses"]]
    assert len(limited) > 35
    for operation in limited:
        who = root if "/admin/" in operation.path else person
        status, headers = await send_valid_request(who, operation)
        policy, left = POLICY(headers.get("ratelimit-policy", "")), LEFT(headers.get("ratelimit", ""))
        assert policy, (operation, status, headers)
        assert left, (operation, status, headers)
        assert policy["name"] == left["name"]
        assert policy["name"] in limits, operation
        assert int(policy["quota"]) == limits[policy["name"]], operation
        assert 0 <= int(left["left"]) < int(policy["quota"])
        assert 1 <= int(left["seconds"]) <= 60


async def test_unlimited_operations_document_no_429(installation: Installation, documented: list[Operation]) -> None:
    person = installation.person("ann")
    for operation in documented:
        if "429" not in operation.about["responses"] and (operation.method, operation.path) not in OPEN:
            _, headers = await send_valid_request(person, operation)
            assert "ratelimit" not in headers, operation


@pytest.mark.parametrize("disguise", [{}, {"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=203.0.113.7"}])
async def test_rate_limit_is_per_user_for_any_token_and_address(
    installation: Installation, disguise: dict[str, str]
) -> None:
    eve = installation.person("eve")
    path, body = f"/v1/stories/{new_id()}/reaction", {"emoji": "❤️"}
    statuses, last = [], None
    for number in range(121):
        again = installation.known(eve.id, seconds=3600 + number)  # another token of the same user
        last = await again.call("PUT", path, json=body, headers=disguise)
        statuses.append(last.status_code)
    assert statuses == [422] * 120 + [429]  # without a ticket
    assert last is not None
    left = LEFT(last.headers["ratelimit"])
    assert left
    assert (left["name"], left["left"]) == ("reactions", "0")
    assert last.headers["retry-after"] == left["seconds"]
    assert last.json()["type"] == "urn:stories:rate-limited"
    assert (await eve.call("POST", f"/v1/stories/{new_id()}/shares")).status_code == 422  # another limit
    assert (await installation.person("bob").call("PUT", path, json=body)).status_code == 422  # another user


async def test_rejected_request_uses_no_quota_and_changes_nothing(installation: Installation) -> None:
    ann = installation.person("ann")
    story = await ann.post_and_wait()
    answers = [await ann.comment(story, f"number {number}") for number in range(33)]
    written = [answer for answer in answers if answer.status_code == 201]
    assert (len(written), {answer.status_code for answer in answers[30:]}) == (30, {429})
    assert '"comments";r=0' in answers[-1].headers["ratelimit"]
    assert (await ann.counts(story))["comments"] == 30


async def test_large_bodies_are_rejected_in_any_framing(installation: Installation) -> None:
    ann = installation.person("ann")

    async def chunks():
        for _ in range(40):
            yield b" " * 16_384

    for content in (b" " * 300_000, chunks()):
        answer = await ann.call("POST", "/v1/stories", content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["type"]) == (413, "urn:stories:too-large")

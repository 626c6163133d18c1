"""The table of errors, tested on every operation that it names."""

import json
from typing import Any

import pytest
from stories_shared.events.ids import new_id

from ..journeys.installation import Installation
from ..journeys.people import Person
from .operations import METHODS, Operation

JSON = {"Content-Type": "application/json"}
BODIES: dict[str, tuple[bytes, int]] = {
    "cut off": (b'{"text": "a', 400),
    "empty": (b"", 400),
    "NaN": (b'{"text": NaN}', 400),
    "Infinity": (b'{"text": -Infinity}', 400),
    "a key twice": (b'{"text": "a", "text": "b"}', 400),
    "not UTF-8": (b'{"text": "\xff"}', 400),
    "a list": (b"[]", 422),
    "null": (b"null", 422),
    "an unknown field": (b'{"nonsense": 1}', 422),
    "a lone surrogate": (b'{"text": "\\ud800", "caption": "\\ud800"}', 422),
    "NUL": (b'{"text": "a\\u0000b", "caption": "a\\u0000b"}', 422),
    "too large": (json.dumps({"text": "x" * 300_000}).encode(), 413),
    "deep": (b'{"text": ' + b"[" * 5000 + b"]" * 5000 + b"}", 422),
}

NO_STORIES = ("nonsense", "%00", "a%2Fb", "%20", f"{new_id().upper()}x", "x" * 300)
NO_USERS = ("_x", "%00", "a%2Fb", "%20", "x" * 129)


@pytest.fixture(scope="module")
async def author(installation: Installation) -> tuple[Person, dict[str, str]]:
    """An author of a live story, and ids for every path."""
    ann = installation.person("ann")
    story = await ann.post_and_wait()
    comment = (await ann.comment({"id": story["id"]}, "mine")).json()
    return ann, {"story_id": story["id"], "comment_id": comment["id"], "user_id": installation.person("bob").id}


Author = tuple[Person, dict[str, str]]


def is_problem(answer: Any) -> bool:
    """Whether it is an RFC 9457 problem of a documented type."""
    return (
        answer.headers["content-type"] == "application/problem+json"
        and answer.json()["type"].startswith("urn:stories:")
        and answer.json()["status"] == answer.status_code
        and bool(answer.json()["title"])
    )


@pytest.mark.parametrize("what", BODIES)
async def test_malformed_bodies_are_rejected(
    installation: Installation, author: Author, documented: list[Operation], what: str
) -> None:
    ann, ids = author
    root = installation.admin()
    content, status = BODIES[what]
    taking = [operation for operation in documented if operation.takes_json]
    assert len(taking) >= 8
    for operation in taking:
        if what in {"empty", "null"} and not operation.about["requestBody"].get("required"):
            continue
        who = root if operation.is_for_admins else ann
        answer = await who.call(operation.method, operation.at(**ids), content=content, headers=JSON)
        accepted = {400, 422} if what == "deep" else {status}
        assert answer.status_code in accepted, (operation.method, operation.path, answer.text)
        assert is_problem(answer)


async def test_bodies_of_another_type_are_415(
    installation: Installation, author: Author, documented: list[Operation]
) -> None:
    ann, ids = author
    root = installation.admin()
    for operation in documented:
        if operation.takes_json:
            for content_type in ("text/plain", "application/x-www-form-urlencoded"):
                headers = {"Content-Type": content_type}
                who = root if operation.is_for_admins else ann
                answer = await who.call(operation.method, operation.at(**ids), content=b"{}", headers=headers)
                assert (answer.status_code, is_problem(answer)) == (415, True), operation.path


async def test_invalid_input_names_its_location(author: Author) -> None:
    ann, _ = author
    answer = await ann.call("POST", "/v1/stories", json={"media": {"content_type": "video/mp4", "size": "big"}})
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert (error["loc"], bool(error["msg"])) == (["body", "media", "size"], True)


async def test_limits_outside_of_one_to_a_hundred_and_unknown_queries_are_422(
    installation: Installation, author: Author, documented: list[Operation]
) -> None:
    ann, ids = author
    root = installation.admin()
    paged = [operation for operation in documented if "limit" in operation.queries]
    assert len(paged) >= 9
    for operation in paged:
        for query in ("limit=0", "limit=101", "limit=-1", "limit=many", "limit=", "limit=1&limit=2", "nonsense=1"):
            who = root if operation.is_for_admins else ann
            answer = await who.call(operation.method, f"{operation.at(**ids)}?{query}")
            assert (answer.status_code, is_problem(answer)) == (422, True), (operation.path, query, answer.text)


async def test_cursor_is_valid_only_for_its_user_and_route(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    for name in ("one", "two", "three"):
        await ann.follow(installation.known(name))
        await ann.done("PUT", f"/v1/muted/{name}")
        await bob.follow(installation.known(name))
    cursor = (await ann.get("/v1/following", limit=1))["next_cursor"]
    await ann.get("/v1/following", limit=1, cursor=cursor)
    tampered = cursor[:-3] + ("AAA" if cursor[-3:] != "AAA" else "BBB")
    attempts = [
        (ann, "/v1/following", tampered),
        (ann, "/v1/following", "nonsense"),
        (ann, "/v1/following", "x" * 5000),
        (ann, "/v1/muted", cursor),
        (ann, "/v1/for-you", cursor),
        (bob, "/v1/following", cursor),
    ]
    for person, path, given in attempts:
        answer = await person.call("GET", path, params={"cursor": given})
        assert (answer.status_code, is_problem(answer)) == (422, True), (path, given)


async def test_malformed_ids_in_paths_are_404(author: Author, documented: list[Operation]) -> None:
    ann, ids = author
    with_ids = [operation for operation in documented if "_id}" in operation.path and "/admin/" not in operation.path]
    assert len(with_ids) > 25
    for operation in with_ids:
        for malformed in NO_USERS if "{user_id}" in operation.path else NO_STORIES:
            values = dict.fromkeys(ids, malformed)
            answer = await ann.call(operation.method, operation.at(**values), **operation.body)
            assert (answer.status_code, is_problem(answer)) == (404, True), (operation.method, answer.url, answer.text)


async def test_other_methods_are_405_and_allow_names_those_of_all_services(
    installation: Installation, documented: list[Operation]
) -> None:
    ann = installation.person("ann")
    for path, address in {operation.path: operation.at() for operation in documented}.items():
        known = {operation.method for operation in documented if operation.path == path}
        for method in set(METHODS) - known:
            answer = await ann.call(method, address)
            assert (answer.status_code, is_problem(answer)) == (405, True), (method, path)
            assert {each.strip() for each in answer.headers["allow"].split(",")} - {"HEAD"} == known, path


async def test_a_story_in_the_wrong_state_is_409(author: Author) -> None:
    ann, ids = author
    draft = (await ann.create()).json()
    answers = [
        await ann.call("POST", f"/v1/stories/{ids['story_id']}/cancel"),
        await ann.call("POST", f"/v1/stories/{ids['story_id']}/upload"),
        await ann.call("POST", f"/v1/stories/{draft['id']}/publish"),  # nothing was uploaded
    ]
    assert {(answer.status_code, answer.json()["type"]) for answer in answers} == {(409, "urn:stories:wrong-state")}


async def test_the_eleventh_draft_is_429(installation: Installation) -> None:
    eve = installation.person("eve")
    drafts = [await eve.create() for _ in range(11)]
    assert [answer.status_code for answer in drafts] == [201] * 10 + [429]
    assert int(drafts[-1].headers["retry-after"]) >= 1


async def test_invalid_edits_are_rejected(installation: Installation) -> None:
    ann = installation.person("ann")
    media = {"content_type": "video/mp4", "size": 1000}
    wrong: list[dict[str, Any]] = [{"lifetime": "7h"}, {"audience": "nobody"}, {"caption": "x" * 2201}, {"split": 1}]
    for invalid in [*wrong, {"layers": [{}]}]:
        assert (await ann.call("POST", "/v1/stories", json={"media": media, **invalid})).status_code == 422, invalid
    story = await ann.post()
    for change in ({"caption": "new"}, {"audience": "nobody"}, {"reactions": None}, {"lifetime": "24h"}):
        assert (await ann.call("PATCH", f"/v1/stories/{story['id']}", json=change)).status_code == 422, change

"""Ids of other users grant nothing: every documented operation is tried with them, and nothing changes."""

import asyncio
import re
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import pytest_asyncio
from stories_shared.events.ids import new_id
from stories_shared.testing import eventually

from ..journeys.installation import Installation
from ..journeys.people import Answer, Person
from ..journeys.stores import Stores
from ..journeys.waiting import SOON, holds
from .operations import QUERIES, Operation

NOT_FOUND = (404, "urn:stories:not-found")
TICKET_MISSING = (422, "urn:stories:ticket-missing")
PUBLIC = {("GET", "/v1/stories/{story_id}")}
"""Operations on a public story that need no ticket."""

ABOUT_ONESELF = {
    *(
        (method, f"/v1/{mine}/{{user_id}}")
        for mine in ("following", "blocked", "muted", "close-friends", "hidden-from")
        for method in ("PUT", "DELETE")
    ),
    ("DELETE", "/v1/followers/{user_id}"),
}
"""Operations that name another user and change only the caller's own side."""
EMPTY = {("GET", "/v1/users/{user_id}/stories"), ("GET", "/v1/users/{user_id}/highlights")}
"""Operations that return an empty list if nothing is visible."""
NOT_BY_REQUESTS = ("stories_feed.choices", "stories_engagement.deliveries")
"""What counts decisions (follow lists; `edges_of`), and deliveries to a webhook that another test registered."""
SECOND_ERASURE = re.compile(r', "erase_at": "[^"]*"')
"""A minute after a deletion the media are erased once more by themselves."""


@dataclass(frozen=True)
class Household:
    """Ann with every kind of resource, bob who may see it, and eve who may not."""

    ann: Person
    bob: Person
    eve: Person
    public: Answer
    other: Answer
    """Another public story of ann's, for which eve has a ticket."""
    hidden: dict[str, str]
    """Ids of stories that eve may not see, by reason."""
    comments: list[str]
    """Comments of ann and bob, on the public story and on one for close friends."""
    tickets: dict[str, str]
    """Tickets that eve could try, by their owner."""


@pytest_asyncio.fixture(scope="module")
async def household(installation: Installation) -> Household:
    ann, bob, eve = installation.people("ann", "bob", "eve")
    await ann.done("PUT", f"/v1/close-friends/{bob.id}")
    await bob.befriend(ann)
    public, other, close, gone = [
        await ann.post(audience=audience, caption=f"for {audience}")
        for audience in ("everyone", "everyone", "close_friends", "everyone")
    ]
    hidden_from_eve = await ann.post(hide_from=[eve.id])
    draft, empty = await ann.draft(), (await ann.create()).json()
    await ann.delete(gone)
    bobs_public, bobs_close = [await eventually(partial(bob.item, each), SOON) for each in (public, close)]
    eves_other = await eventually(lambda: eve.item(other), SOON)
    written = [
        await ann.comment({"id": public["id"]}, "mine"),
        await bob.comment(bobs_public, "bob's"),
        await bob.comment(bobs_close, "among friends"),
    ]
    assert [answer.status_code for answer in written] == [201] * 3
    await bob.react(bobs_public)
    await bob.view(bobs_public, bobs_close)
    await eventually(lambda: ann.viewers(public), SOON, accept=lambda viewers: viewers["total"] == 1)
    stories = {"draft": draft, "without upload": empty, "close friends": close, "hidden": hidden_from_eve, "gone": gone}
    return Household(
        ann,
        bob,
        eve,
        public,
        other,
        {why: story["id"] for why, story in stories.items()} | {"never": new_id()},
        [answer.json()["id"] for answer in written],
        {
            "bob's": bobs_public["ticket"],
            "another story's": eves_other["ticket"],
            "bob's of friends": bobs_close["ticket"],
        },
    )


async def everything(stores: Stores, household: Household) -> tuple[list[str], list[str]]:
    """Every document and object about ann's stories, and every document about ann and bob."""
    ids = [household.public["id"], household.other["id"], *household.hidden.values()]
    documents = [each for story_id in ids for each in await stores.documents(story_id)]
    about = await stores.documents(household.ann.id, household.bob.id)
    documents = [SECOND_ERASURE.sub("", each) for each in [*documents, *about] if not each.startswith(NOT_BY_REQUESTS)]
    return sorted(set(documents)), sorted([key for story_id in ids for key in await stores.objects(story_id)])


async def everything_drained(stores: Stores, household: Household) -> tuple[list[str], list[str]]:
    """The same, once all events are published and consumed."""
    last: list[Any] = [None]

    async def still() -> bool:
        now = await everything(stores, household)
        same, last[0] = now == last[0] and not any('"pending": {' in each for each in now[0]), now
        await asyncio.sleep(0.2)
        return same

    await eventually(still, 20)
    return await everything(stores, household)


def difference(one: tuple[list[str], list[str]], other: tuple[list[str], list[str]]) -> list[str]:
    """What only one of them has."""
    return sorted({*one[0], *one[1]} ^ {*other[0], *other[1]})


def outcome(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("type", "") if answer.content else ""


async def attempt(eve: Person, operation: Operation, ids: dict[str, str], ticket: str | None = None) -> tuple[int, str]:
    """The response to eve."""
    path = operation.at(**ids) + QUERIES.get(operation.path, "")
    return outcome(await eve.call(operation.method, path, ticket=ticket, **operation.body))


async def test_operations_on_stories_of_others_are_rejected(
    installation: Installation, household: Household, documented: list[Operation]
) -> None:
    """New operations are tried too; one with a body needs an entry in `GOOD`."""
    stores = await installation.stores()
    before = await everything_drained(stores, household)
    tried, wrong = 0, []
    of_stories = [operation for operation in documented if "{story_id}" in operation.path]
    assert len(of_stories) >= 15
    cases = [(why, story_id, operation) for why, story_id in household.hidden.items() for operation in of_stories]
    cases += [
        ("public", household.public["id"], operation)
        for operation in of_stories
        if (operation.method, operation.path) not in PUBLIC
    ]
    for why, story_id, operation in cases:
        for whose, ticket in {"no ticket": None, **household.tickets}.items():
            found = await attempt(household.eve, operation, {"story_id": story_id}, ticket)
            tried += 1
            allowed = {NOT_FOUND, TICKET_MISSING} if ticket is None and operation.takes_ticket else {NOT_FOUND}
            if found not in allowed:
                wrong.append((why, whose, operation.method, operation.path, found))
    assert (wrong, tried > 400) == ([], True)
    assert difference(await everything_drained(stores, household), before) == []


async def test_operations_on_comments_of_others_are_rejected(
    installation: Installation, household: Household, documented: list[Operation]
) -> None:
    stores = await installation.stores()
    before = await everything_drained(stores, household)
    for operation in documented:
        if "{comment_id}" in operation.path:
            for comment_id in household.comments:
                found = await attempt(
                    household.eve, operation, {"comment_id": comment_id}, household.tickets["another story's"]
                )
                assert found == NOT_FOUND, operation
    friends_comment = household.comments[2]
    bobs = (household.comments[0], 404)  # bob may not delete ann's comment
    assert (await household.bob.call("DELETE", f"/v1/comments/{bobs[0]}")).status_code == bobs[1]
    comments = f"/v1/stories/{household.other['id']}/comments"
    eves = household.tickets["another story's"]
    replies = await household.eve.call("GET", comments, ticket=eves, params={"reply_to": friends_comment})
    assert replies.status_code == 404 or replies.json()["items"] == []
    reply = await household.eve.call("POST", comments, ticket=eves, json={"text": "hi", "reply_to": friends_comment})
    assert reply.status_code == 404
    assert difference(await everything_drained(stores, household), before) == []


async def test_user_id_in_a_path_changes_only_the_callers_own_edges(
    installation: Installation, household: Household, documented: list[Operation]
) -> None:
    """A new operation with a user id fails here until it is classified."""
    stores = await installation.stores()
    before = await everything_drained(stores, household)
    follows = {person.id: await edges_of(person) for person in (household.ann, household.bob)}
    for operation in documented:
        if "{user_id}" not in operation.path:
            continue
        name, ids = (operation.method, operation.path), {"user_id": household.ann.id}
        body = operation.body
        if "up_to" in body.get("json", {}):
            body = {"json": {"up_to": household.hidden["close friends"]}}
        answer = await household.eve.call(operation.method, operation.at(**ids), **body)
        if name in ABOUT_ONESELF:
            assert answer.status_code == 204, operation
        elif name in EMPTY:
            shown = {item["id"] for item in answer.json()["items"]}
            assert not shown & set(household.hidden.values()), operation
        else:
            assert outcome(answer) == NOT_FOUND, operation
    assert {person.id: await edges_of(person) for person in (household.ann, household.bob)} == follows
    after = await everything_drained(stores, household)
    assert after == before


async def test_views_with_tickets_of_others_are_not_counted(installation: Installation, household: Household) -> None:
    stores = await installation.stores()
    before = await everything_drained(stores, household)
    tickets = [household.tickets["bob's"], household.tickets["bob's of friends"], "nonsense", ""]
    views = {"views": [{"ticket": ticket, "watched_ms": 1000} for ticket in tickets]}
    answer = await household.eve.call("POST", "/v1/views", json=views)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 0)
    assert [each["reason"] for each in answer.json()["rejected"]] == ["ticket"] * len(tickets)
    assert await everything_drained(stores, household) == before


async def test_own_lists_contain_nothing_of_others(household: Household, documented: list[Operation]) -> None:
    theirs = {household.ann.id, household.bob.id, *household.hidden.values(), *household.comments}
    own = [operation for operation in documented if operation.method == "GET" and "{" not in operation.path]
    for operation in own:
        if operation.path in {"/v1/for-you", "/v1/rings", "/v1/reels"} or "/admin/" in operation.path:
            continue  # public, or requested by id
        answer = await household.eve.call("GET", operation.path)
        assert answer.status_code == 200, operation
        assert not [each for each in theirs if each in answer.text], operation
    for path in ("/v1/rings", "/v1/reels"):
        reels = await household.eve.get(path, user_ids=f"{household.ann.id},{household.bob.id}")
        assert not [each for each in household.hidden.values() if each in str(reels)], path
    await holds(lambda: nothing_hidden(household), SOON)


async def nothing_hidden(household: Household) -> None:
    shown = await household.eve.for_you()
    assert not set(shown) & set(household.hidden.values())


async def edges_of(person: Person) -> dict[str, set[str]]:
    """A user's edges, by list."""
    names = ("following", "blocked", "muted", "close-friends", "hidden-from")
    return {name: {each["user_id"] for each in await person.pages(f"/v1/{name}")} for name in names}

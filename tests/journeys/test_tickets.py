"""A ticket is valid only for its viewer, story, lifetime and revision."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs
from stories_shared.auth.tickets import Ticket, Tickets
from stories_shared.runtime.settings import ticket_key_pairs
from stories_shared.testing import eventually

from .installation import Installation
from .people import Answer, Person
from .waiting import AT_ONCE, SOON, end_of

NOT_FOUND = (404, "urn:stories:not-found")
MISSING = (422, "urn:stories:ticket-missing")
EXPIRED = (403, "urn:stories:ticket-expired")


async def refusals(viewer: Person, item: Answer, ticket: str | None, expected: tuple[int, str] = NOT_FOUND) -> None:
    """All reads and writes with this ticket return the same refusal."""
    story = f"/v1/stories/{item['id']}"
    answers = [
        await viewer.call("GET", f"{story}/counts", ticket=ticket),
        await viewer.call("GET", f"{story}/reactions", ticket=ticket),
        await viewer.call("GET", f"{story}/comments", ticket=ticket),
        await viewer.call("PUT", f"{story}/reaction", ticket=ticket, json={"emoji": "❤️"}),
        await viewer.call("POST", f"{story}/comments", ticket=ticket, json={"text": "hello"}),
        await viewer.call("POST", f"{story}/shares", ticket=ticket),
    ]
    assert {(answer.status_code, answer.json()["type"]) for answer in answers} == {expected}


async def rejection(viewer: Person, ticket: str) -> list[Answer]:
    """The reason with which a view with this ticket is rejected."""
    taken = await viewer.view({"ticket": ticket})
    assert taken["accepted"] == 1 - len(taken["rejected"])
    rejected: list[Answer] = taken["rejected"]
    return rejected


async def signer(installation: Installation) -> Tickets:
    """Signs tickets as feed does."""
    keys = ticket_key_pairs((await installation.stack.env())["TICKET_KEYS"])
    return Tickets([(key_id, secret.get_secret_value().encode()) for key_id, secret in keys])


@pytest.fixture
async def shown(installation: Installation) -> tuple[Person, Person, Answer]:
    """An author, a viewer, and a story as the viewer gets it."""
    ann, bob = installation.people("ann", "bob")
    story = await ann.post()
    return ann, bob, await eventually(lambda: bob.item(story), SOON)


Shown = tuple[Person, Person, Answer]


async def test_only_the_author_needs_no_ticket(installation: Installation, shown: Shown) -> None:
    ann, bob, item = shown
    await refusals(bob, item, None, MISSING)
    await refusals(installation.admin(), item, None, MISSING)
    await eventually(lambda: ann.counts({"id": item["id"]}), SOON, accept=lambda counts: counts["views"] == 0)


async def test_forged_ticket_is_rejected(installation: Installation, shown: Shown) -> None:
    _, bob, item = shown
    ticket = item["ticket"]
    by_other_key = Tickets([("zzzz", b"x" * 32)])
    real = (await signer(installation)).read(ticket, bob.id, datetime.now(UTC))
    changed = ticket[:-2] + ("AA" if ticket[-2:] != "AA" else "BB")
    for forged in (changed, by_other_key.sign(real), ticket[5:], "", "nonsense", "." * 300):
        await refusals(bob, item, forged, NOT_FOUND if forged else MISSING)
        assert await rejection(bob, forged) == [{"index": 0, "reason": "ticket"}]


async def test_ticket_of_another_viewer_is_rejected(installation: Installation, shown: Shown) -> None:
    _, _, item = shown
    cat = installation.person("cat")
    await refusals(cat, item, item["ticket"])
    assert await rejection(cat, item["ticket"]) == [{"index": 0, "reason": "ticket"}]


async def test_ticket_of_another_story_is_rejected(shown: Shown) -> None:
    ann, bob, item = shown
    other = await ann.post()
    others = await eventually(lambda: bob.item(other), SOON)
    await refusals(bob, item, others["ticket"])


async def test_expired_ticket_is_rejected(installation: Installation, shown: Shown) -> None:
    _, bob, item = shown
    tickets = await signer(installation)
    real: Ticket = tickets.read(item["ticket"], bob.id, datetime.now(UTC))
    over = tickets.sign(structs.replace(real, ends_at=datetime.now(UTC) - timedelta(milliseconds=1)))
    await refusals(bob, item, over, EXPIRED)
    assert await rejection(bob, tickets.sign(real)) == []  # the hand that signs is the right one


async def test_ticket_of_an_older_access_revision_still_counts_views(shown: Shown) -> None:
    ann, bob, item = shown
    await ann.change(item, comments="friends")

    async def refused() -> bool:
        return (await bob.react(item)).status_code == 404

    await eventually(refused, AT_ONCE)
    await refusals(bob, item, item["ticket"])
    assert await rejection(bob, item["ticket"]) == []  # it has happened
    await eventually(lambda: ann.counts({"id": item["id"]}), SOON, accept=lambda counts: counts["views"] == 1)
    fresh = await bob.item(item)
    assert (await bob.react(fresh)).status_code == 204


async def test_ticket_expires_with_its_story(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    story = await ann.post(lifetime=installation.short)
    item = await eventually(lambda: bob.item(story), SOON)
    tickets = await signer(installation)
    real: Ticket = tickets.read(item["ticket"], bob.id, datetime.fromisoformat(story["posted_at"]))
    assert real.ends_at <= datetime.fromisoformat(story["expires_at"])
    longer = tickets.sign(structs.replace(real, ends_at=real.ends_at + timedelta(hours=1)))
    await end_of(story)
    for ticket in (item["ticket"], longer):
        await refusals(bob, item, ticket)
        [rejected] = await rejection(bob, ticket)
        assert rejected["reason"] in {"ended", "ticket"}


async def test_withdrawing_an_own_reaction_needs_no_ticket(shown: Shown) -> None:
    _, bob, item = shown
    await bob.react(item)
    comment = (await bob.comment(item, "hello")).json()
    await bob.done("DELETE", f"/v1/stories/{item['id']}/reaction")
    await bob.done("DELETE", f"/v1/comments/{comment['id']}")

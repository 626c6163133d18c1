"""Replaying the log and restarting processes change nothing that users see."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from stories_shared.testing import eventually

from .installation import Installation
from .offsets import groups_of, rewind, unread
from .people import Answer, Person
from .waiting import SOON, end_of

RENEWED = {
    *("media_url", "poster_url", "download_url", "captions_url", "url", "urls_expire_at"),
    *("ticket", "ticket_expires_at"),
}
"""Fields that differ in every response."""
CAUGHT_UP = 60.0


async def users_with_history(installation: Installation) -> tuple[list[Person], list[Answer]]:
    """Users with every kind of history, and their live and ended stories."""
    ann, bob, cat, dan, eve, gone = people = installation.people("ann", "bob", "cat", "dan", "eve", "gone")
    await ann.befriend(bob)
    await bob.follow(cat, dan)
    await cat.follow(ann)
    await dan.follow(ann, gone)
    await cat.done("DELETE", f"/v1/following/{ann.id}")
    await dan.done("PUT", f"/v1/blocked/{cat.id}")
    await eve.done("PUT", f"/v1/blocked/{ann.id}")
    await eve.done("DELETE", f"/v1/blocked/{ann.id}")
    await bob.done("PUT", f"/v1/muted/{dan.id}")
    await ann.done("PUT", f"/v1/close-friends/{cat.id}")
    await eve.done("PUT", "/v1/me/privacy", json={"view_history": False})

    first, second, third, over, deleted, erased = await asyncio.gather(
        ann.post(installation.samples.clip(), caption="first"),
        ann.post(audience="close_friends", caption="second"),
        cat.post(caption="third"),
        bob.post(lifetime=installation.short),
        dan.post(),
        gone.post(),
    )
    item = await eventually(lambda: bob.item(first), SOON)
    eves = await eventually(lambda: eve.item(first), SOON)
    for viewer, its in ((bob, item), (eve, eves)):
        await viewer.view(its, play_id="the-one-play", watched_ms=700)
        await viewer.react(its, "🎉")
    await bob.view(item, play_id="another-play")
    top = (await bob.comment(item, "top")).json()
    await eve.comment(eves, "reply", reply_to=top["id"])
    mistake = (await eve.comment(eves, "mistake")).json()
    await eve.done("DELETE", f"/v1/comments/{mistake['id']}")
    await eve.done("DELETE", f"/v1/stories/{first['id']}/reaction")
    await bob.share(item)
    await ann.change(first, comments="friends", hide_from=[dan.id])
    await ann.change(first, download=True)
    await bob.done("PUT", f"/v1/users/{cat.id}/seen", json={"up_to": third["id"]})
    await dan.delete(deleted)
    await installation.admin().erase_account(gone)
    await end_of(over)
    for author, ended in ((dan, deleted), (bob, over)):
        await author.complete_receipt(ended)
    return people, [first, second, third, over, deleted, erased]


async def everything(people: Sequence[Person], stories: Sequence[Answer]) -> dict[str, Any]:
    """All responses of these users, by user and path."""
    ids = ",".join(person.id for person in people)
    paths = ["/v1/tray", f"/v1/rings?user_ids={ids}", f"/v1/reels?user_ids={ids}", "/v1/me/stories", "/v1/me/quota"]
    paths += [f"/v1/{name}" for name in ("following", "followers", "blocked", "muted", "close-friends")]
    paths += ["/v1/me/privacy", "/v1/me/hidden-words"]
    for story in stories:
        of_story = ("counts", "viewers", "reactions", "comments", "receipt")
        paths += [f"/v1/stories/{story['id']}", *(f"/v1/stories/{story['id']}/{name}" for name in of_story)]
    found: dict[str, Any] = {}
    for person in people:
        tickets = {item["id"]: item["ticket"] for author in people for item in await person.reel(author)}
        for path in paths:
            ticket = tickets.get(path.split("/")[3]) if path.startswith("/v1/stories/") else None
            answer = await person.ask("GET", path, ticket=ticket)
            found[f"{person.id} {path}"] = (answer.status_code, bare(answer.json()))
        ours = {story["id"] for story in stories}
        found[f"{person.id} for you"] = [each for each in await person.for_you() if each in ours]
    return found


def bare(answer: Any) -> Any:
    """A response without the fields that differ in every response."""
    if isinstance(answer, dict):
        return {name: bare(value) for name, value in answer.items() if name not in RENEWED}
    return [bare(each) for each in answer] if isinstance(answer, list) else answer


@pytest.mark.nightly
async def test_replay_of_every_topic_changes_nothing_that_users_see(installation: Installation) -> None:
    people, stories = await users_with_history(installation)
    bootstrap = (await installation.stack.env())["KAFKA_BOOTSTRAP_SERVERS"]
    groups = await groups_of(bootstrap)
    assert len(groups) >= 20
    await eventually(lambda: unread(bootstrap, groups), CAUGHT_UP, accept=lambda lags: not lags)
    before = await everything(people, stories)
    assert sum(found[0] == 200 for path, found in before.items() if "/v1/" in path) > 80

    assert await asyncio.to_thread(installation.stack.interrupt) == 0
    try:
        assert await rewind(installation.stack, groups) > 50
    finally:
        await asyncio.to_thread(installation.stack.start)
    await eventually(lambda: unread(bootstrap, groups), CAUGHT_UP, accept=lambda lags: not lags)

    after = await everything(people, stories)
    assert {path: (before[path], found) for path, found in after.items() if found != before[path]} == {}

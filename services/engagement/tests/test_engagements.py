"""Reactions, shares and counts through HTTP, and their events."""

import asyncio

import httpx
from stories_engagement.testing.builders import a_ticket
from stories_engagement.testing.harness import ServiceHarness, until_available
from stories_shared.events import StoryEngaged, StoryPosted
from stories_shared.events.ids import new_id
from stories_shared.testing import eventually


async def put_reaction(service: ServiceHarness, story: StoryPosted, user: str, emoji: str) -> httpx.Response:
    ticket = a_ticket(story, user)
    path = f"/v1/stories/{story.story_id}/reaction"
    return await service.request("PUT", path, user, ticket, json={"emoji": emoji})


async def react(service: ServiceHarness, story: StoryPosted, user: str, emoji: str) -> int:
    return (await put_reaction(service, story, user, emoji)).status_code


async def reactions(service: ServiceHarness, story: StoryPosted, user: str) -> dict[str, object]:
    answer = await service.request("GET", f"/v1/stories/{story.story_id}/reactions", user, a_ticket(story, user))
    found: dict[str, object] = answer.json()
    return found


async def test_a_viewer_has_one_reaction_which_may_change(service: ServiceHarness) -> None:
    story = await service.post()
    assert await react(service, story, "bob", "❤️") == 204
    assert await react(service, story, "eve", "❤️") == 204
    assert await react(service, story, "bob", "🔥") == 204
    assert await reactions(service, story, "bob") == {"counts": {"❤️": 1, "🔥": 1}, "total": 2, "mine": "🔥"}
    assert await reactions(service, story, "zoe") == {"counts": {"❤️": 1, "🔥": 1}, "total": 2, "mine": None}
    await service.view(story, "bob")
    await service.until_counted(story, viewers=1, reactions=2)
    assert (await service.viewers(story))["items"][0]["reaction"] == "🔥"


async def test_withdrawing_needs_no_ticket_and_is_idempotent(service: ServiceHarness) -> None:
    story = await service.post()
    path = f"/v1/stories/{story.story_id}/reaction"
    await react(service, story, "bob", "❤️")
    for _ in range(2):
        assert (await service.request("DELETE", path, "bob")).status_code == 204
    assert await reactions(service, story, "bob") == {"counts": {}, "total": 0, "mine": None}
    assert (await service.request("DELETE", path, "eve")).status_code == 422
    assert (await service.request("DELETE", path, "eve", a_ticket(story, "eve"))).status_code == 204


async def test_only_one_whole_emoji_is_a_reaction(service: ServiceHarness) -> None:
    story = await service.post()
    for wrong in ("a", "", "❤️❤️", "1", " ❤️"):
        assert await react(service, story, "bob", wrong) == 422, wrong
    assert await react(service, story, "bob", "❤") == 204
    assert await reactions(service, story, "bob") == {"counts": {"❤️": 1}, "total": 1, "mine": "❤️"}


async def test_disabled_feature_is_refused_with_its_own_problem(service: ServiceHarness) -> None:
    story = await service.post(reactions=False, sharing=False, comments="nobody")
    base, ticket = f"/v1/stories/{story.story_id}", a_ticket(story, "bob")
    for method, path, body, slug in (
        ("PUT", "/reaction", {"emoji": "❤️"}, "reactions-off"),
        ("POST", "/shares", None, "sharing-off"),
        ("POST", "/comments", {"text": "hi"}, "comments-off"),
    ):
        answer = await service.request(method, base + path, "bob", ticket, json=body)
        assert (answer.status_code, answer.json()["type"]) == (409, f"urn:stories:{slug}")


async def test_current_settings_override_those_of_an_older_ticket(service: ServiceHarness) -> None:
    story = await service.post(reactions=False)
    ticket = a_ticket(story, "bob", reactions=True)
    path = f"/v1/stories/{story.story_id}/reaction"
    assert (await service.request("PUT", path, "bob", ticket, json={"emoji": "❤️"})).status_code == 409


async def test_a_share_counts_once_per_viewer_and_answers_with_the_link(service: ServiceHarness) -> None:
    story = await service.post()
    path, ticket = f"/v1/stories/{story.story_id}/shares", a_ticket(story, "bob")
    url = f"{service.settings.public_url}/s/{story.story_id}"
    for _ in range(2):
        answer = await service.request("POST", path, "bob", ticket)
        assert (answer.status_code, answer.json(), answer.headers["location"]) == (201, {"url": url}, url)
    keyed = {"Idempotency-Key": new_id()}
    for _ in range(2):
        assert (await service.request("POST", path, "bob", ticket, headers=keyed)).json() == {"url": url}
    await service.request("POST", path, "eve", a_ticket(story, "eve"))
    assert (await service.counts(story))["shares"] == 2


async def test_concurrent_engagements_of_one_story_are_counted_exactly(service: ServiceHarness) -> None:
    story = await service.post()
    people = [f"user{n}" for n in range(40)]

    async def react_all(users: list[str], emoji: str) -> None:
        requests = (lambda user=user: put_reaction(service, story, user, emoji) for user in users)
        assert set(await asyncio.gather(*map(until_available, requests))) == {204}

    await react_all(people, "🎉")
    await react_all(people[:10], "❤️")
    counts = (await reactions(service, story, "ann"))["counts"]
    assert counts == {"🎉": 30, "❤️": 10}


async def test_changes_are_published_with_a_total_and_a_growing_seq(service: ServiceHarness) -> None:
    story = await service.post()
    read_events = service.event_reader(StoryEngaged)
    await react(service, story, "bob", "❤️")
    await react(service, story, "eve", "❤️")
    await service.request("DELETE", f"/v1/stories/{story.story_id}/reaction", "bob")
    await service.request("POST", f"/v1/stories/{story.story_id}/shares", "bob", a_ticket(story, "bob"))

    async def newest() -> dict[str, int]:
        mine = [event for event in await read_events() if event.story_id == story.story_id]
        by_kind = {event.kind: event for event in sorted(mine, key=lambda event: event.seq)}
        assert {kind: event.total for kind, event in by_kind.items()} == {"reaction": 1, "share": 1}
        assert all(event.author_id == "ann" for event in mine)
        return {kind: event.seq for kind, event in by_kind.items()}

    assert (await eventually(newest))["share"] == 4


async def test_unknown_route_or_method_is_refused(service: ServiceHarness) -> None:
    story = await service.post()
    assert (await service.request("GET", f"/v1/stories/{story.story_id}/nothing", "ann")).status_code == 404
    assert (await service.request("POST", f"/v1/stories/{story.story_id}/counts", "ann")).status_code == 405
    assert (await service.request("GET", "/v1/stories/not-an-id/counts", "ann")).status_code == 404
    assert (await service.client.get(f"/v1/stories/{story.story_id}/counts")).status_code == 401

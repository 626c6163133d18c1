"""Answers to stickers through HTTP, and their events."""

import asyncio
from typing import Any

import httpx
from stories_engagement.testing.builders import a_layer, a_poll, a_quiz, a_story, a_ticket
from stories_engagement.testing.harness import ServiceHarness, until_available
from stories_shared.events import StoryEngaged, StoryPosted
from stories_shared.events.ids import new_id
from stories_shared.testing import eventually


async def answer(
    service: ServiceHarness, story: StoryPosted, layer: dict[str, Any], user: str, **body: Any
) -> httpx.Response:
    path = f"/v1/stories/{story.story_id}/answers/{layer['id']}"
    return await service.request("PUT", path, user, a_ticket(story, user), json=body)


async def listed(service: ServiceHarness, story: StoryPosted, layer: dict[str, Any], **query: Any) -> dict[str, Any]:
    path = f"/v1/stories/{story.story_id}/answers"
    found = await service.request("GET", path, story.author_id, params={"layer_id": layer["id"], **query})
    assert found.status_code == 200, found.text
    page: dict[str, Any] = found.json()
    return page


async def test_answers_are_tallied_changed_and_withdrawn(service: ServiceHarness) -> None:
    poll, quiz, code = a_poll(3), a_quiz(correct=2), a_layer("promo_code", code="SAVE10", terms=None, url=None)
    story = await service.post(layers=(poll, quiz, code))
    first = await answer(service, story, poll, "bob", option=1)
    assert (first.status_code, first.json()) == (200, {"mine": 1, "tallies": [0, 1, 0], "correct": None})
    assert (await answer(service, story, poll, "eve", option=1)).json()["tallies"] == [0, 2, 0]
    assert (await answer(service, story, poll, "bob", option=2)).json()["tallies"] == [0, 1, 1]
    assert (await answer(service, story, quiz, "bob", option=0)).json() == {
        "mine": 0,
        "tallies": [1, 0, 0],
        "correct": 2,
    }
    other = await answer(service, story, quiz, "bob", option=2)
    assert (other.status_code, other.json()["type"]) == (409, "urn:stories:answer-final")
    assert (await answer(service, story, code, "bob", copied=True)).json() == {
        "mine": True,
        "tallies": [1],
        "correct": None,
    }
    path = f"/v1/stories/{story.story_id}/answers/{poll['id']}"
    for _ in range(2):
        assert (await service.request("DELETE", path, "bob")).status_code == 204
    assert (await service.request("DELETE", path, "zoe", a_ticket(story, "zoe"))).status_code == 204
    unknown = f"/v1/stories/{story.story_id}/answers/{new_id()}"
    assert (await service.request("DELETE", unknown, "zoe", a_ticket(story, "zoe"))).status_code == 404
    assert (await listed(service, story, poll))["tallies"] == [0, 1, 0]


async def test_author_lists_answers_by_page(service: ServiceHarness) -> None:
    question = a_layer("question", prompt="Why?")
    story = await service.post(layers=(question,))
    for user in ("bob", "eve", "zoe"):
        taken = await answer(service, story, question, user, text=f" {user} says ")
        assert taken.json() == {
            "mine": f"{user} says",
            "tallies": [("bob", "eve", "zoe").index(user) + 1],
            "correct": None,
        }
    first = await listed(service, story, question, limit=2)
    assert [(item["user_id"], item["option"], item["text"]) for item in first["items"]] == [
        ("zoe", None, "zoe says"),
        ("eve", None, "eve says"),
    ]
    last = await listed(service, story, question, limit=2, cursor=first["next_cursor"])
    assert ([item["user_id"] for item in last["items"]], last["next_cursor"]) == (["bob"], None)
    path, query = f"/v1/stories/{story.story_id}/answers", {"layer_id": question["id"]}
    refused = await service.request("GET", path, "bob", a_ticket(story, "bob"), params=query)
    assert refused.status_code == 404


async def test_wrong_answers_are_refused(service: ServiceHarness) -> None:
    poll, text = a_poll(), a_layer("text", text="hi")
    story = await service.post(layers=(poll, text))
    for body in ({}, {"option": 2}, {"option": 1, "text": "x"}, {"text": "x"}, {"copied": True}, {"option": "1"}):
        refused = await answer(service, story, poll, "bob", **body)
        assert (refused.status_code, refused.json()["errors"][0]["loc"][0]) == (422, "body"), body
    assert (await answer(service, story, text, "bob", option=0)).status_code == 404
    assert (await answer(service, story, {"id": "nonsense"}, "bob", option=0)).status_code == 404
    unknown = a_story(layers=(poll,))
    assert (await answer(service, unknown, poll, "bob", option=0)).status_code == 503


async def test_concurrent_answers_are_counted_and_published(service: ServiceHarness) -> None:
    poll = a_poll()
    story, read_events = await service.post(layers=(poll,)), service.event_reader(StoryEngaged)
    for options in ([0, 1] * 15, [0] * 30):
        requests = (lambda n=n, o=o: answer(service, story, poll, f"user{n}", option=o) for n, o in enumerate(options))
        assert set(await asyncio.gather(*map(until_available, requests))) == {200}
    assert (await listed(service, story, poll))["tallies"] == [30, 0]

    async def published() -> bool:
        mine = [event for event in await read_events() if event.story_id == story.story_id]
        newest = max(mine, key=lambda event: event.seq)
        return (newest.kind, newest.total, newest.author_id) == ("answer", 30, "ann")

    await eventually(published)

"""Viewers answer stickers, and the author's insights are sealed when the story expires."""

from functools import partial
from typing import Any

from stories_shared.testing import eventually

from .installation import Installation
from .people import Answer, Person
from .waiting import ERASED, SOON, end_of

FRAME = {"x": 0.1, "y": 0.1, "w": 0.5, "h": 0.2}
POLL = {"kind": "poll", "question": "Tea?", "options": ["yes", "no"], **FRAME}
QUIZ = {"kind": "quiz", "question": "One and one?", "options": ["1", "2", "3"], "correct": 1, **FRAME}


async def give(viewer: Person, item: Answer, layer: Answer, option: int) -> Any:
    path = f"/v1/stories/{item['id']}/answers/{layer['id']}"
    return await viewer.ask("PUT", path, ticket=item["ticket"], json={"option": option})


async def test_insights_of_an_expired_story_remain_and_viewers_do_not(installation: Installation) -> None:
    ann, bob, *others = installation.people("ann", "bob", *(f"viewer{n}" for n in range(5)))
    await bob.follow(ann)
    story = await ann.post(lifetime=installation.short, layers=[POLL, QUIZ])
    await eventually(lambda: bob.sees(story), SOON)
    for number, viewer in enumerate((bob, *others)):
        item = await viewer.item(story)
        poll, quiz = item["layers"]
        assert "correct" not in quiz
        await viewer.view(item, play_id="the-first-play", watched_ms=1_000, completed=number < 3)
        assert (await viewer.react(item, "❤️")).status_code == 204
        assert (await give(viewer, item, poll, number % 2)).json()["mine"] == number % 2
        assert (await give(viewer, item, quiz, 2)).json()["correct"] == 1
        assert (await give(viewer, item, quiz, 1)).json()["type"] == "urn:stories:answer-final"
    path = f"/v1/stories/{story['id']}/insights"
    expected = {
        "reach": {"total": 6, "followers": 1, "others": 5},
        "plays": 6,
        "completion_rate": 0.5,
        "mean_watch_ms": 1_000,
        "reactions": {"❤️": 6},
        "drop_off": [{"part": 1, "viewers": 6}],
    }

    async def insights() -> Answer:
        found = await ann.get(path)
        assert {name: found[name] for name in expected} == expected
        assert [layer["tallies"] for layer in found["answers"]] == [[3, 3], [0, 0, 6]]
        return found

    assert not (await eventually(insights, SOON))["sealed"]
    listed = await ann.pages(f"/v1/stories/{story['id']}/answers", limit=4, layer_id=story["layers"][0]["id"])
    assert {each["user_id"]: each["option"] for each in listed}[bob.id] == 0
    await end_of(story)

    async def sealed() -> bool:
        return bool((await insights())["sealed"]) and (await ann.receipt(story))["complete"]

    await eventually(sealed, ERASED)
    assert (await bob.call("GET", path)).status_code == 404
    totals = (await ann.get("/v1/me/insights"))["totals"]
    assert (totals["stories"], totals["reach"], totals["answers"]) == (1, 6, 12)
    assert (await ann.call("DELETE", f"/v1/stories/{story['id']}")).status_code == 204

    async def none_left() -> bool:
        return (await ann.call("GET", path)).status_code == 404

    await eventually(none_left, SOON)
    assert (await ann.receipt(story))["ended"] == "expired"


async def test_erased_viewer_leaves_insights_and_a_deletion_leaves_none(installation: Installation) -> None:
    ann, bob, cat = installation.people("ann", "bob", "cat")
    story = await ann.post(layers=[POLL])
    for viewer in (bob, cat):
        item = await eventually(partial(viewer.item, story), SOON)
        await viewer.view(item, watched_ms=2_000)
        await eventually(partial(answered, viewer, item), SOON)
    path = f"/v1/stories/{story['id']}/insights"

    async def figures() -> tuple[int, int, list[int]]:
        found = await ann.get(path)
        return found["reach"]["total"], found["mean_watch_ms"], found["answers"][0]["tallies"]

    await eventually(figures, SOON, accept=lambda found: found == (2, 2_000, [0, 2]))
    await installation.admin().done("POST", f"/v1/admin/users/{bob.id}/erasure")
    await eventually(figures, ERASED, accept=lambda found: found == (1, 2_000, [0, 1]))
    await ann.delete(story)
    await eventually(lambda: gone(ann, path), SOON)


async def answered(viewer: Person, item: Answer) -> bool:
    return bool((await give(viewer, item, item["layers"][0], 1)).status_code == 200)


async def gone(author: Person, path: str) -> bool:
    return (await author.call("GET", path)).status_code == 404

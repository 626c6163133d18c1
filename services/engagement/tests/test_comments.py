"""Comments through HTTP: written, hung on each other, hidden, deleted, counted."""

from typing import Any

import pytest
from stories_engagement.testing.builders import a_ticket
from stories_engagement.testing.harness import ServiceHarness
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events import StoryPosted, UserBlocked
from stories_shared.events.ids import new_id
from stories_shared.testing import eventually


async def write(
    house: ServiceHarness, story: StoryPosted, user: str, text: str = "hello", **more: Any
) -> dict[str, Any]:
    headers = more.pop("headers", {})
    path = f"/v1/stories/{story.story_id}/comments"
    answer = await house.ask("POST", path, user, a_ticket(story, user), json={"text": text, **more}, headers=headers)
    assert answer.status_code == 201, answer.text
    comment: dict[str, Any] = answer.json()
    return comment


async def read(house: ServiceHarness, story: StoryPosted, user: str, **query: Any) -> list[dict[str, Any]]:
    path = f"/v1/stories/{story.story_id}/comments"
    answer = await house.ask("GET", path, user, a_ticket(story, user), params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def texts(house: ServiceHarness, story: StoryPosted, user: str, **query: Any) -> list[str]:
    return [comment["text"] for comment in await read(house, story, user, **query)]


async def test_a_comment_is_public_to_whoever_holds_a_ticket(house: ServiceHarness) -> None:
    story = await house.post()
    comment = await write(house, story, "bob", "  first \u0065\u0301 ")
    assert comment == {
        "id": comment["id"],
        "story_id": story.story_id,
        "author_id": "bob",
        "text": "first é",
        "reply_to": None,
        "replies": 0,
        "created_at": comment["created_at"],
        "can": {"delete": True},
    }
    await write(house, story, "eve", "second")
    seen = await read(house, story, "zoe")
    assert [(c["text"], c["can"]["delete"]) for c in seen] == [("second", False), ("first é", False)]
    assert [c["can"]["delete"] for c in await read(house, story, "ann")] == [True, True]
    assert (await house.counts(story))["comments"] == 2


async def test_a_reply_to_a_reply_hangs_on_the_top_one(house: ServiceHarness) -> None:
    story = await house.post()
    top = await write(house, story, "bob", "top")
    reply = await write(house, story, "eve", "reply", reply_to=top["id"])
    second = await write(house, story, "zoe", "again", reply_to=reply["id"])
    assert (reply["reply_to"], second["reply_to"]) == (top["id"], top["id"])
    assert await texts(house, story, "bob", reply_to=top["id"]) == ["reply", "again"]
    assert [(c["text"], c["replies"]) for c in await read(house, story, "bob")] == [("top", 2)]
    assert (await house.counts(story))["comments"] == 3


async def test_lists_of_comments_page_both_ways(house: ServiceHarness) -> None:
    story = await house.post()
    tops = [(await write(house, story, "bob", f"top {n}"))["id"] for n in range(5)]
    for n in range(5):
        await write(house, story, "bob", f"reply {n}", reply_to=tops[0])
    for query, expected in (
        ({}, [f"top {n}" for n in reversed(range(5))]),
        ({"reply_to": tops[0]}, [f"reply {n}" for n in range(5)]),
    ):
        seen, cursor = [], None
        while cursor is not None or not seen:
            params = {**query, "limit": 2, **({"cursor": cursor} if cursor else {})}
            page = (await house.ask("GET", f"/v1/stories/{story.story_id}/comments", "ann", params=params)).json()
            seen += [c["text"] for c in page["items"]]
            cursor = page["next_cursor"]
        assert seen == expected


async def test_a_cursor_is_good_only_for_its_user_and_its_list(house: ServiceHarness) -> None:
    story, other = await house.post(), await house.post()
    for _ in range(2):
        await write(house, story, "bob")
    path = f"/v1/stories/{story.story_id}/comments"
    cursor = (await house.ask("GET", path, "ann", params={"limit": 1})).json()["next_cursor"]
    bobs = await house.ask("GET", path, "bob", a_ticket(story, "bob"), params={"cursor": cursor})
    others = await house.ask("GET", f"/v1/stories/{other.story_id}/comments", "ann", params={"cursor": cursor})
    changed = await house.ask("GET", path, "ann", params={"cursor": cursor[:-2] + "xx"})
    assert {bobs.status_code, others.status_code, changed.status_code} == {422}
    for bad in ({"limit": 0}, {"limit": 101}, {"hidden": "maybe"}, {"more": 1}, {"reply_to": "x"}):
        assert (await house.ask("GET", path, "ann", params=bad)).status_code == 422, bad


@pytest.mark.parametrize("text", ["", "   ", "x" * 501, "nul \0", 5, None])
async def test_a_comment_has_1_to_500_characters(house: ServiceHarness, text: Any) -> None:
    story = await house.post()
    path = f"/v1/stories/{story.story_id}/comments"
    assert (await house.ask("POST", path, "ann", json={"text": text})).status_code == 422


async def test_a_reply_needs_a_comment_of_this_story(house: ServiceHarness) -> None:
    story, other = await house.post(), await house.post()
    foreign = await write(house, other, "bob")
    path = f"/v1/stories/{story.story_id}/comments"
    for reply_to in (foreign["id"], new_id()):
        assert (await house.ask("POST", path, "ann", json={"text": "x", "reply_to": reply_to})).status_code == 404
        assert (await house.ask("GET", path, "ann", params={"reply_to": reply_to})).status_code == 404


async def test_friends_only_means_friends_and_the_author(house: ServiceHarness) -> None:
    story = await house.post(comments="friends")
    path, body = f"/v1/stories/{story.story_id}/comments", {"text": "hi"}
    stranger = await house.ask("POST", path, "bob", a_ticket(story, "bob"), json=body)
    friend = await house.ask("POST", path, "eve", a_ticket(story, "eve", friend=True), json=body)
    author = await house.ask("POST", path, "ann", json=body)
    assert (stranger.status_code, stranger.json()["type"]) == (403, "urn:stories:comments-friends-only")
    assert (friend.status_code, author.status_code) == (201, 201)
    assert await texts(house, story, "bob") == ["hi", "hi"]


async def test_its_writer_the_author_and_admins_delete_a_comment_with_its_replies(house: ServiceHarness) -> None:
    story = await house.post()
    for user, roles in (("bob", ()), ("ann", ()), ("root", ("admin",))):
        top = await write(house, story, "bob")
        await write(house, story, "eve", reply_to=top["id"])
        assert (await house.counts(story))["comments"] == 2
        path = f"/v1/comments/{top['id']}"
        assert (await house.ask("DELETE", path, "eve")).status_code == 404
        assert (await house.ask("DELETE", path, user, roles=roles)).status_code == 204
        assert (await house.ask("DELETE", path, user, roles=roles)).status_code == 404
        assert (await house.counts(story))["comments"] == 0
        assert await house.mongo["comments"].find_one({"story_id": story.story_id}) is None


async def test_deleting_a_reply_leaves_its_top_one_with_fewer(house: ServiceHarness) -> None:
    story = await house.post()
    top = await write(house, story, "bob")
    reply = await write(house, story, "eve", reply_to=top["id"])
    assert (await house.ask("DELETE", f"/v1/comments/{reply['id']}", "eve")).status_code == 204
    assert [(c["id"], c["replies"]) for c in await read(house, story, "bob")] == [(top["id"], 0)]


async def test_a_hidden_word_hides_from_all_but_its_writer_and_the_author_who_asks(house: ServiceHarness) -> None:
    story = await house.post("wendy")
    await house.ask("PUT", "/v1/me/hidden-words", "wendy", json={"words": ["STRASSE"]})
    await write(house, story, "bob", "in der Straße!")
    await write(house, story, "eve", "Straßenbahn")
    assert await texts(house, story, "bob") == ["Straßenbahn", "in der Straße!"]
    assert await texts(house, story, "zoe") == ["Straßenbahn"]
    assert await texts(house, story, "zoe", hidden="true") == ["Straßenbahn"]
    assert await texts(house, story, "wendy") == ["Straßenbahn"]
    assert await texts(house, story, "wendy", hidden="true") == ["Straßenbahn", "in der Straße!"]
    assert (await house.counts(story))["comments"] == 1


async def test_new_words_hide_and_show_what_is_there_already(house: ServiceHarness) -> None:
    story = await house.post("willa")
    top = await write(house, story, "bob", "you clown")
    await write(house, story, "eve", "fine", reply_to=top["id"])
    await write(house, story, "eve", "what a clown", reply_to=(await write(house, story, "zoe", "ok"))["id"])
    assert (await house.counts(story))["comments"] == 4
    await house.ask("PUT", "/v1/me/hidden-words", "willa", json={"words": ["clown"]})
    assert await texts(house, story, "zoe") == ["ok"]
    await house.counted(story, comments=1)
    assert [c["replies"] for c in await read(house, story, "willa", hidden="true")] == [0, 0]
    await house.ask("PUT", "/v1/me/hidden-words", "willa", json={"words": []})
    assert await texts(house, story, "zoe") == ["ok", "you clown"]
    await house.counted(story, comments=4)
    assert [(c["text"], c["replies"]) for c in await read(house, story, "zoe")] == [("ok", 1), ("you clown", 1)]


async def test_hidden_words_are_kept_once_each(house: ServiceHarness) -> None:
    words = {"words": ["Bad", "bad", " worse ", "ＢＡＤ"]}
    assert (await house.ask("PUT", "/v1/me/hidden-words", "wim", json=words)).json() == {"words": ["Bad", "worse"]}
    assert (await house.ask("GET", "/v1/me/hidden-words", "wim")).json() == {"words": ["Bad", "worse"]}
    assert (await house.ask("PUT", "/v1/me/hidden-words", "wim", json={"words": [""]})).status_code == 422


async def test_a_block_hides_the_two_from_each_other_under_other_peoples_stories(house: ServiceHarness) -> None:
    story = await house.post()
    await write(house, story, "cain", "mine")
    await write(house, story, "abel", "yours")
    await house.feed.publish(UserBlocked(user_id="cain", target_id="abel", at=truncate_to_ms(system_now())))
    await eventually(lambda: house.app.state.standing.edges([("cain", "abel")]))
    assert await texts(house, story, "cain") == ["mine"]
    assert await texts(house, story, "abel") == ["yours"]
    assert await texts(house, story, "ann") == ["yours", "mine"]


async def test_the_same_key_and_body_write_one_comment(house: ServiceHarness) -> None:
    story = await house.post()
    headers = {"Idempotency-Key": new_id()}
    first = await write(house, story, "bob", "once", headers=headers)
    assert await write(house, story, "bob", "once", headers=headers) == first
    path = f"/v1/stories/{story.story_id}/comments"
    other = await house.ask("POST", path, "bob", a_ticket(story, "bob"), json={"text": "two"}, headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "urn:stories:idempotency-reused")
    assert (await house.counts(story))["comments"] == 1
    await house.ask("DELETE", f"/v1/comments/{first['id']}", "bob")
    again = await house.ask("POST", path, "bob", a_ticket(story, "bob"), json={"text": "once"}, headers=headers)
    assert again.status_code == 404

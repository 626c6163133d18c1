"""Comments through HTTP: write, reply, hide, delete, count."""

from typing import Any

import pytest
from stories_engagement.testing.builders import a_ticket
from stories_engagement.testing.harness import ServiceHarness
from stories_shared.clock import system_now, truncate_to_ms
from stories_shared.events import StoryPosted, UserBlocked
from stories_shared.events.ids import new_id
from stories_shared.testing import eventually


async def write(
    service: ServiceHarness, story: StoryPosted, user: str, text: str = "hello", **more: Any
) -> dict[str, Any]:
    headers = more.pop("headers", {})
    path = f"/v1/stories/{story.story_id}/comments"
    answer = await service.request(
        "POST", path, user, a_ticket(story, user), json={"text": text, **more}, headers=headers
    )
    assert answer.status_code == 201, answer.text
    comment: dict[str, Any] = answer.json()
    return comment


async def read(service: ServiceHarness, story: StoryPosted, user: str, **query: Any) -> list[dict[str, Any]]:
    path = f"/v1/stories/{story.story_id}/comments"
    answer = await service.request("GET", path, user, a_ticket(story, user), params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def texts(service: ServiceHarness, story: StoryPosted, user: str, **query: Any) -> list[str]:
    return [comment["text"] for comment in await read(service, story, user, **query)]


async def test_comment_is_visible_to_every_ticket_holder(service: ServiceHarness) -> None:
    story = await service.post()
    comment = await write(service, story, "bob", "  first \u0065\u0301 ")
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
    await write(service, story, "eve", "second")
    seen = await read(service, story, "zoe")
    assert [(c["text"], c["can"]["delete"]) for c in seen] == [("second", False), ("first é", False)]
    assert [c["can"]["delete"] for c in await read(service, story, "ann")] == [True, True]
    assert (await service.counts(story))["comments"] == 2


async def test_reply_to_a_reply_belongs_to_the_top_level_comment(service: ServiceHarness) -> None:
    story = await service.post()
    top = await write(service, story, "bob", "top")
    reply = await write(service, story, "eve", "reply", reply_to=top["id"])
    second = await write(service, story, "zoe", "again", reply_to=reply["id"])
    assert (reply["reply_to"], second["reply_to"]) == (top["id"], top["id"])
    assert await texts(service, story, "bob", reply_to=top["id"]) == ["reply", "again"]
    assert [(c["text"], c["replies"]) for c in await read(service, story, "bob")] == [("top", 2)]
    assert (await service.counts(story))["comments"] == 3


async def test_lists_of_comments_page_both_ways(service: ServiceHarness) -> None:
    story = await service.post()
    tops = [(await write(service, story, "bob", f"top {n}"))["id"] for n in range(5)]
    for n in range(5):
        await write(service, story, "bob", f"reply {n}", reply_to=tops[0])
    for query, expected in (
        ({}, [f"top {n}" for n in reversed(range(5))]),
        ({"reply_to": tops[0]}, [f"reply {n}" for n in range(5)]),
    ):
        seen, cursor = [], None
        while cursor is not None or not seen:
            params = {**query, "limit": 2, **({"cursor": cursor} if cursor else {})}
            page = (await service.request("GET", f"/v1/stories/{story.story_id}/comments", "ann", params=params)).json()
            seen += [c["text"] for c in page["items"]]
            cursor = page["next_cursor"]
        assert seen == expected


async def test_a_cursor_is_good_only_for_its_user_and_its_list(service: ServiceHarness) -> None:
    story, other = await service.post(), await service.post()
    for _ in range(2):
        await write(service, story, "bob")
    path = f"/v1/stories/{story.story_id}/comments"
    cursor = (await service.request("GET", path, "ann", params={"limit": 1})).json()["next_cursor"]
    bobs = await service.request("GET", path, "bob", a_ticket(story, "bob"), params={"cursor": cursor})
    others = await service.request("GET", f"/v1/stories/{other.story_id}/comments", "ann", params={"cursor": cursor})
    changed = await service.request("GET", path, "ann", params={"cursor": cursor[:-2] + "xx"})
    assert {bobs.status_code, others.status_code, changed.status_code} == {422}
    for bad in ({"limit": 0}, {"limit": 101}, {"hidden": "maybe"}, {"more": 1}, {"reply_to": "x"}):
        assert (await service.request("GET", path, "ann", params=bad)).status_code == 422, bad


@pytest.mark.parametrize("text", ["", "   ", "x" * 501, "nul \0", 5, None])
async def test_a_comment_has_1_to_500_characters(service: ServiceHarness, text: Any) -> None:
    story = await service.post()
    path = f"/v1/stories/{story.story_id}/comments"
    assert (await service.request("POST", path, "ann", json={"text": text})).status_code == 422


async def test_a_reply_needs_a_comment_of_this_story(service: ServiceHarness) -> None:
    story, other = await service.post(), await service.post()
    foreign = await write(service, other, "bob")
    path = f"/v1/stories/{story.story_id}/comments"
    for reply_to in (foreign["id"], new_id()):
        assert (await service.request("POST", path, "ann", json={"text": "x", "reply_to": reply_to})).status_code == 404
        assert (await service.request("GET", path, "ann", params={"reply_to": reply_to})).status_code == 404


async def test_friends_only_means_friends_and_the_author(service: ServiceHarness) -> None:
    story = await service.post(comments="friends")
    path, body = f"/v1/stories/{story.story_id}/comments", {"text": "hi"}
    stranger = await service.request("POST", path, "bob", a_ticket(story, "bob"), json=body)
    friend = await service.request("POST", path, "eve", a_ticket(story, "eve", friend=True), json=body)
    author = await service.request("POST", path, "ann", json=body)
    assert (stranger.status_code, stranger.json()["type"]) == (403, "urn:stories:comments-friends-only")
    assert (friend.status_code, author.status_code) == (201, 201)
    assert await texts(service, story, "bob") == ["hi", "hi"]


async def test_writer_author_and_admins_delete_a_comment_with_replies(service: ServiceHarness) -> None:
    story = await service.post()
    for user, roles in (("bob", ()), ("ann", ()), ("root", ("admin",))):
        top = await write(service, story, "bob")
        await write(service, story, "eve", reply_to=top["id"])
        assert (await service.counts(story))["comments"] == 2
        path = f"/v1/comments/{top['id']}"
        assert (await service.request("DELETE", path, "eve")).status_code == 404
        assert (await service.request("DELETE", path, user, roles=roles)).status_code == 204
        assert (await service.request("DELETE", path, user, roles=roles)).status_code == 404
        assert (await service.counts(story))["comments"] == 0
        assert await service.mongo["comments"].find_one({"story_id": story.story_id}) is None


async def test_deleting_a_reply_decreases_the_reply_count(service: ServiceHarness) -> None:
    story = await service.post()
    top = await write(service, story, "bob")
    reply = await write(service, story, "eve", reply_to=top["id"])
    assert (await service.request("DELETE", f"/v1/comments/{reply['id']}", "eve")).status_code == 204
    assert [(c["id"], c["replies"]) for c in await read(service, story, "bob")] == [(top["id"], 0)]


async def test_hidden_comment_is_shown_to_its_writer_and_author_only(service: ServiceHarness) -> None:
    story = await service.post("wendy")
    await service.request("PUT", "/v1/me/hidden-words", "wendy", json={"words": ["STRASSE"]})
    await write(service, story, "bob", "in der Straße!")
    await write(service, story, "eve", "Straßenbahn")
    assert await texts(service, story, "bob") == ["Straßenbahn", "in der Straße!"]
    assert await texts(service, story, "zoe") == ["Straßenbahn"]
    assert await texts(service, story, "zoe", hidden="true") == ["Straßenbahn"]
    assert await texts(service, story, "wendy") == ["Straßenbahn"]
    assert await texts(service, story, "wendy", hidden="true") == ["Straßenbahn", "in der Straße!"]
    assert (await service.counts(story))["comments"] == 1


async def test_new_words_hide_and_show_existing_comments(service: ServiceHarness) -> None:
    story = await service.post("willa")
    top = await write(service, story, "bob", "you clown")
    await write(service, story, "eve", "fine", reply_to=top["id"])
    await write(service, story, "eve", "what a clown", reply_to=(await write(service, story, "zoe", "ok"))["id"])
    assert (await service.counts(story))["comments"] == 4
    await service.request("PUT", "/v1/me/hidden-words", "willa", json={"words": ["clown"]})
    assert await texts(service, story, "zoe") == ["ok"]
    await service.until_counted(story, comments=1)
    assert [c["replies"] for c in await read(service, story, "willa", hidden="true")] == [0, 0]
    await service.request("PUT", "/v1/me/hidden-words", "willa", json={"words": []})
    assert await texts(service, story, "zoe") == ["ok", "you clown"]
    await service.until_counted(story, comments=4)
    assert [(c["text"], c["replies"]) for c in await read(service, story, "zoe")] == [("ok", 1), ("you clown", 1)]


async def test_hidden_words_are_deduplicated(service: ServiceHarness) -> None:
    words = {"words": ["Bad", "bad", " worse ", "ＢＡＤ"]}
    assert (await service.request("PUT", "/v1/me/hidden-words", "wim", json=words)).json() == {
        "words": ["Bad", "worse"]
    }
    assert (await service.request("GET", "/v1/me/hidden-words", "wim")).json() == {"words": ["Bad", "worse"]}
    assert (await service.request("PUT", "/v1/me/hidden-words", "wim", json={"words": [""]})).status_code == 422


async def test_block_hides_comments_on_other_authors_stories(service: ServiceHarness) -> None:
    story = await service.post()
    await write(service, story, "cain", "mine")
    await write(service, story, "abel", "yours")
    await service.feed.publish(UserBlocked(user_id="cain", target_id="abel", at=truncate_to_ms(system_now())))
    await eventually(lambda: service.app.state.access_state.block_states([("cain", "abel")]))
    assert await texts(service, story, "cain") == ["mine"]
    assert await texts(service, story, "abel") == ["yours"]
    assert await texts(service, story, "ann") == ["yours", "mine"]


async def test_the_same_key_and_body_write_one_comment(service: ServiceHarness) -> None:
    story = await service.post()
    headers = {"Idempotency-Key": new_id()}
    first = await write(service, story, "bob", "once", headers=headers)
    assert await write(service, story, "bob", "once", headers=headers) == first
    path = f"/v1/stories/{story.story_id}/comments"
    other = await service.request("POST", path, "bob", a_ticket(story, "bob"), json={"text": "two"}, headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "urn:stories:idempotency-reused")
    assert (await service.counts(story))["comments"] == 1
    await service.request("DELETE", f"/v1/comments/{first['id']}", "bob")
    repeated = await service.request(
        "POST", path, "bob", a_ticket(story, "bob"), json={"text": "once"}, headers=headers
    )
    assert repeated.status_code == 404

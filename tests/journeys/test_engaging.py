"""Views, reactions, comments and shares are counted exactly, and allowed as the author chooses."""

import asyncio
from functools import partial

from stories_shared.testing import eventually

from .installation import Installation
from .people import Answer, Person
from .waiting import SOON


async def visible_story(installation: Installation, viewer: Person, author: Person, **fields: object) -> Answer:
    """A live story as a viewer gets it."""
    story = await author.post(**fields)  # type: ignore[arg-type]
    return await eventually(lambda: viewer.item(story), SOON)


async def test_view_count_equals_the_viewer_list_despite_retries(installation: Installation) -> None:
    ann, *viewers = installation.people("ann", *(f"viewer{n}" for n in range(12)))
    story = await ann.post()
    await eventually(lambda: viewers[0].item(story), SOON)

    async def watch(number: int, viewer: Person) -> None:
        item = await viewer.item(story)
        for attempt in range(4):  # one play, reported repeatedly
            await viewer.view(item, play_id=f"first-play-{number}", watched_ms=attempt * 100)
        if number % 3 == 0:  # and another one
            await viewer.view(item, play_id=f"other-play-{number}", completed=True)

    await asyncio.gather(*(watch(number, viewer) for number, viewer in enumerate(viewers)))
    await ann.view(await ann.item(story))  # does not count
    await eventually(lambda: ann.counts(story), SOON, accept=lambda counts: counts["views"] == 16)
    listed = await ann.viewers(story)
    assert (listed["total"], listed["hidden"], (await ann.counts(story))["viewers"]) == (12, 0, 12)
    assert {each["viewer_id"]: each["plays"] for each in listed["items"]} == {
        viewer.id: 1 + (number % 3 == 0) for number, viewer in enumerate(viewers)
    }
    times = [each["viewed_at"] for each in listed["items"]]
    assert times == sorted(times, reverse=True)
    assert (await viewers[0].call("GET", f"/v1/stories/{story['id']}/viewers")).status_code == 404


async def test_viewers_are_paged(installation: Installation) -> None:
    ann, *viewers = installation.people("ann", *(f"viewer{n}" for n in range(5)))
    story = await ann.post()
    for viewer in viewers:
        await viewer.view(await eventually(partial(viewer.item, story), SOON))
    await eventually(lambda: ann.counts(story), SOON, accept=lambda counts: counts["viewers"] == 5)
    found = [each["viewer_id"] for each in await ann.pages(f"/v1/stories/{story['id']}/viewers", limit=2)]
    assert sorted(found) == sorted(viewer.id for viewer in viewers)


async def test_viewer_without_view_history_is_counted_but_not_listed(installation: Installation) -> None:
    ann, bob, cat = installation.people("ann", "bob", "cat")
    item = await visible_story(installation, bob, ann)
    await bob.done("PUT", "/v1/me/privacy", json={"view_history": False})
    assert await bob.get("/v1/me/privacy") == {"view_history": False}
    await bob.view(item)
    await cat.view(await cat.item(item))
    listed = await eventually(lambda: ann.viewers(item), SOON, accept=lambda found: found["total"] == 2)
    assert ([each["viewer_id"] for each in listed["items"]], listed["hidden"]) == ([cat.id], 1)
    await cat.done("PUT", "/v1/me/privacy", json={"view_history": False})
    listed = await eventually(lambda: ann.viewers(item), SOON, accept=lambda found: found["hidden"] == 2)
    assert (listed["items"], listed["total"]) == ([], 2)
    await cat.done("PUT", "/v1/me/privacy", json={"view_history": True})  # only ever becomes not
    assert (await ann.viewers(item))["hidden"] == 2


async def test_story_without_a_viewer_list_counts_but_lists_no_viewer(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    item = await visible_story(installation, bob, ann, view_list=False)
    assert item["viewers_listed"] is False
    await bob.view(item)
    listed = await eventually(lambda: ann.viewers(item), SOON, accept=lambda found: found["total"] == 1)
    assert (listed["items"], listed["hidden"]) == ([], 1)


async def test_reactions_are_one_per_viewer_and_can_be_changed_and_withdrawn(installation: Installation) -> None:
    ann, bob, cat = installation.people("ann", "bob", "cat")
    item = await visible_story(installation, bob, ann)
    cats = await cat.item(item)
    path = f"/v1/stories/{item['id']}/reactions"
    for emoji in ("🎉", "❤️"):
        assert (await bob.react(item, emoji)).status_code == 204
    assert (await cat.react(cats, "❤️")).status_code == 204
    assert await bob.get(path, ticket=item["ticket"]) == {"counts": {"❤️": 2}, "total": 2, "mine": "❤️"}
    await bob.done("DELETE", f"/v1/stories/{item['id']}/reaction")  # one's own goes without a ticket
    assert await cat.get(path, ticket=cats["ticket"]) == {"counts": {"❤️": 1}, "total": 1, "mine": "❤️"}
    assert (await bob.react(item, "not an emoji")).status_code == 422


async def test_comments_have_replies_and_are_deleted_with_them(installation: Installation) -> None:
    ann, bob, cat = installation.people("ann", "bob", "cat")
    item = await visible_story(installation, bob, ann)
    cats = await cat.item(item)
    path = f"/v1/stories/{item['id']}/comments"
    top = (await bob.comment(item, "  first  ")).json()
    assert (top["text"], top["reply_to"], top["can"]) == ("first", None, {"delete": True})
    reply = (await cat.comment(cats, "second", reply_to=top["id"])).json()
    deeper = (await bob.comment(item, "third", reply_to=reply["id"])).json()
    assert deeper["reply_to"] == top["id"]  # hangs on the top one
    [listed] = (await cat.get(path, ticket=cats["ticket"]))["items"]
    assert (listed["id"], listed["replies"], listed["can"]["delete"]) == (top["id"], 2, False)
    replies = (await cat.get(path, ticket=cats["ticket"], reply_to=top["id"]))["items"]
    assert [each["text"] for each in replies] == ["second", "third"]
    await eventually(lambda: ann.counts(item), SOON, accept=lambda counts: counts["comments"] == 3)
    assert (await cat.call("DELETE", f"/v1/comments/{top['id']}")).status_code == 404
    await ann.done("DELETE", f"/v1/comments/{top['id']}")
    assert (await cat.get(path, ticket=cats["ticket"]))["items"] == []
    await eventually(lambda: ann.counts(item), SOON, accept=lambda counts: counts["comments"] == 0)


async def test_comment_with_hidden_word_is_visible_only_to_its_writer(installation: Installation) -> None:
    ann, bob, cat = installation.people("ann", "bob", "cat")
    await ann.done("PUT", "/v1/me/hidden-words", json={"words": ["rubbish"]})
    assert await ann.get("/v1/me/hidden-words") == {"words": ["rubbish"]}
    item = await visible_story(installation, bob, ann)
    cats = await cat.item(item)
    assert (await bob.comment(item, "what RUBBISH this is")).status_code == 201
    path = f"/v1/stories/{item['id']}/comments"
    assert len((await bob.get(path, ticket=item["ticket"]))["items"]) == 1
    assert (await cat.get(path, ticket=cats["ticket"]))["items"] == []
    assert (await ann.get(path))["items"] == []
    assert len((await ann.get(path, hidden="true"))["items"]) == 1
    assert (await ann.counts(item))["comments"] == 0


async def test_author_decides_who_comments_reacts_and_shares(installation: Installation) -> None:
    ann, friend, bob = installation.people("ann", "friend", "bob")
    await ann.befriend(friend)
    item = await visible_story(installation, bob, ann, comments="friends", reactions=False, sharing=False)
    assert item["can"] == {"comment": False, "react": False, "share": False, "download": False}
    refused = [await bob.react(item), await bob.share(item), await bob.comment(item, "may I?")]
    assert [(each.status_code, each.json()["type"].removeprefix("urn:stories:")) for each in refused] == [
        (409, "reactions-off"),
        (409, "sharing-off"),
        (403, "comments-friends-only"),
    ]
    friends = await friend.item(item)
    assert (await friend.comment(friends, "I may")).status_code == 201
    await ann.change(item, comments="nobody", reactions=True)
    fresh = await eventually(lambda: friend.item(item), SOON, accept=lambda found: found["can"]["react"])
    off = await friend.comment(fresh, "still?")
    assert (off.status_code, off.json()["type"]) == (409, "urn:stories:comments-off")
    await eventually(lambda: friend.react(fresh), SOON, accept=lambda answer: answer.status_code == 204)


async def test_share_counts_once_per_viewer_and_grants_no_access(installation: Installation) -> None:
    ann, bob, cat = installation.people("ann", "bob", "cat")
    await bob.follow(ann)
    item = await visible_story(installation, bob, ann, audience="followers")
    first, second = await bob.share(item), await bob.share(item)
    url = first.json()["url"]
    assert (url, first.headers["location"]) == (f"{installation.stack.url}/s/{item['id']}", url)
    assert second.json()["url"] == url
    await eventually(lambda: ann.counts(item), SOON, accept=lambda counts: counts["shares"] == 1)
    page = await cat.media(url)
    assert (page.status_code, page.headers["content-type"].split(";")[0]) == (200, "text/html")
    assert not await cat.sees(item)

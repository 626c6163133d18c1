"""What leads to a story besides its author: hashtags, and mentions of oneself."""

from typing import Any

from stories_shared.testing import eventually

from .installation import Installation
from .people import Answer, Person
from .waiting import AT_ONCE, SOON

FRAME = {"x": 0.1, "y": 0.1, "w": 0.8, "h": 0.2}


def mention(person: Person) -> dict[str, Any]:
    """A layer that mentions a user."""
    return {"kind": "mention", "user_id": person.id, **FRAME}


async def listed(viewer: Person, path: str) -> list[str]:
    """The ids of a list of stories."""
    return [item["id"] for item in await viewer.pages(path)]


def has(*stories: Answer) -> Any:
    """Accepts exactly these stories, in this order."""
    return [story["id"] for story in stories].__eq__


async def test_hashtags_lead_to_public_stories_until_they_end(installation: Installation) -> None:
    ann, bob, cho = installation.people("ann", "bob", "cho")
    tag = f"Lake{ann.id.rpartition('-')[2]}"
    path, prefix = f"/v1/hashtags/{tag}/stories", tag[:-1].upper()
    layer = {"kind": "hashtag", "tag": tag, **FRAME}
    older = await ann.post(layers=[layer])
    newer = await ann.post(caption=f"at the #{tag.lower()}!")
    hidden = await ann.post(caption=f"#{tag}", audience="followers")
    await eventually(lambda: listed(bob, path), SOON, accept=has(newer, older))

    async def counted(viewer: Person) -> list[Answer]:
        found: list[Answer] = (await viewer.get("/v1/hashtags", prefix=prefix))["items"]
        return found

    await eventually(lambda: counted(bob), SOON, accept=[{"tag": tag.lower(), "stories": 2}].__eq__)
    assert hidden["id"] not in await listed(bob, path)
    await ann.done("PUT", f"/v1/blocked/{cho.id}")
    await eventually(lambda: listed(cho, path), AT_ONCE, accept=has())
    await ann.change(older, audience="friends")
    await eventually(lambda: listed(bob, path), AT_ONCE, accept=has(newer))
    await ann.delete(newer)
    await eventually(lambda: listed(bob, path), AT_ONCE, accept=has())
    await eventually(lambda: counted(bob), SOON, accept=[].__eq__)

    wrong = {"kind": "hashtag", "tag": "2026", **FRAME}
    refused = await ann.create(layers=[layer, wrong])
    assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (422, ["body", "layers", 1, "tag"])
    assert (await bob.call("GET", "/v1/hashtags/2026/stories")).status_code == 404
    assert (await bob.call("GET", "/v1/hashtags", params={"prefix": "x" * 101})).status_code == 422


async def test_mentions_list_what_the_mentioned_may_see(installation: Installation) -> None:
    ann, bob, cho = installation.people("ann", "bob", "cho")
    public = await ann.post(layers=[mention(bob)])
    private = await ann.post(caption=f"with @{bob.id} and @{cho.id}", audience="friends")
    await eventually(lambda: listed(bob, "/v1/me/mentions"), SOON, accept=has(public))
    assert await listed(cho, "/v1/me/mentions") == []
    item = (await bob.get("/v1/me/mentions"))["items"][0]
    assert (await bob.react(item)).status_code == 204

    await ann.befriend(bob)
    await eventually(lambda: listed(bob, "/v1/me/mentions"), SOON, accept=has(private, public))
    seen = await bob.item(private)
    repost = await bob.call("POST", f"/v1/stories/{private['id']}/repost", ticket=seen["ticket"])
    assert repost.status_code == 201, repost.text
    assert (await cho.call("POST", f"/v1/stories/{private['id']}/repost", ticket=seen["ticket"])).status_code == 404

    await bob.done("PUT", f"/v1/blocked/{ann.id}")
    await eventually(lambda: listed(bob, "/v1/me/mentions"), AT_ONCE, accept=has())
    wrong = {**mention(bob), "user_id": "two words"}
    refused = await ann.create(layers=[wrong])
    assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (422, ["body", "layers", 0, "user_id"])

"""For You: public live stories, ranked."""

import asyncio

from stories_shared.testing import eventually

from .installation import Installation
from .waiting import AT_ONCE, SOON


async def test_for_you_lists_unseen_public_stories_newest_first(installation: Installation) -> None:
    names = ("shown", "newer", "blocked", "blocking", "muted", "seen", "private", "deleted")
    authors = dict(zip(names, installation.people(*names), strict=True))
    bob = installation.person("bob")
    stories = {
        name: await authors[name].post(audience="followers" if name == "private" else "everyone")
        for name in names
        if name != "newer"
    }
    stories["newer"] = await authors["newer"].post()
    own = await bob.post()
    await eventually(
        bob.for_you,
        SOON,
        accept=lambda found: {stories[name]["id"] for name in names if name != "private"} <= set(found),
    )

    await bob.done("PUT", f"/v1/blocked/{authors['blocked'].id}")
    await authors["blocking"].done("PUT", f"/v1/blocked/{bob.id}")
    await bob.done("PUT", f"/v1/muted/{authors['muted'].id}")
    await authors["deleted"].delete(stories["deleted"])
    await bob.view(await bob.item(stories["seen"]))

    ours = {story["id"]: name for name, story in stories.items()} | {own["id"]: "own"}

    async def shown() -> list[str]:
        return [ours[found] for found in await bob.for_you() if found in ours]

    await eventually(shown, SOON, accept=["newer", "shown"].__eq__)


async def test_pages_of_for_you_neither_repeat_nor_leave_out(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    stories = await asyncio.gather(*(ann.post() for _ in range(5)))
    await eventually(bob.for_you, SOON, accept=lambda found: {story["id"] for story in stories} <= set(found))
    items = await bob.pages("/v1/for-you", limit=2)
    assert {item["audience"] for item in items} == {"everyone"}
    found = [item["id"] for item in items]
    assert len(found) == len(set(found))
    assert {story["id"] for story in stories} <= set(found)


async def test_narrowed_story_leaves_for_you_within_1_s(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    story = await ann.post()
    await eventually(bob.for_you, SOON, accept=lambda found: story["id"] in found)
    await ann.change(story, audience="followers")
    await eventually(bob.for_you, AT_ONCE, accept=lambda found: story["id"] not in found)

"""`explain` says what reel and tray show, in generated situations."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stories_feed.domain.edges import EdgeChange, EdgeKey, Kind
from stories_feed.testing.builders import NOON, posted, received
from stories_feed.usecases.explain import ExplainStory
from stories_shared.errors import Unavailable

from .use_cases import UseCases

AUDIENCES = ["everyone", "followers", "friends", "close_friends"]
PAIRS = [EdgeKey(kind, *pair) for kind in Kind for pair in (("bob", "ann"), ("ann", "bob"))]
VERSIONS = st.fixed_dictionaries(
    {"audience": st.sampled_from(AUDIENCES), "hide_from": st.sampled_from([(), ("bob",), ("cho",)])}
)


async def compare(edges, indexed, stored, seconds_left, stale, viewer) -> None:
    """Build the situation, and compare the explanation with what the viewer is shown."""
    use_cases = UseCases()
    at, lifetime = NOON - timedelta(hours=1) + timedelta(seconds=seconds_left), timedelta(hours=1)
    story = posted("ann", at, lifetime, **indexed)
    use_cases.apply_to_index(received(story))
    if stored is not None:
        await use_cases.stories.put([story])
        if stored != indexed:
            await use_cases.stories.put([posted("ann", at, lifetime, story_id=story.story_id, revision=2, **stored)])
    for number, key in enumerate(edges):
        use_cases.edges.latest[key] = EdgeChange(on=True, at=NOON + timedelta(seconds=number))
    if stale:
        use_cases.log_status.stale_ids.add(story.story_id)
    reel = use_cases.reel
    explain = ExplainStory(reel.visible_stories, use_cases.stories, lambda _user, _country: None)
    found = await explain(story.story_id, viewer)
    if seconds_left <= 0:
        assert found is None
        return
    assert [outcome.rule for outcome in found.rules] == [
        *("state", "block", "hide_from", "audience", "rollout", "freshness")
    ]
    try:
        shown = story.story_id in await use_cases.reel_ids(viewer)
    except Unavailable:
        shown = False
    assert found.visible is shown, found
    if stored == indexed and not stale and viewer == "bob":
        tray = await use_cases.tray(viewer, None, 20)
        follow_list = await use_cases.edges.follow_list(viewer)
        listed = shown and "ann" in follow_list.following and "ann" not in follow_list.muted
        assert bool(tray.entries) is listed


@settings(max_examples=3_000)
@given(
    edges=st.lists(st.sampled_from(PAIRS), unique=True, max_size=6),
    indexed=VERSIONS,
    stored=st.none() | VERSIONS | st.just("same"),
    seconds_left=st.sampled_from([-1.0, 0.5, 60.0, 60.0, 60.0]),
    stale=st.sampled_from([False, False, False, True]),
    viewer=st.sampled_from(["bob", "bob", "bob", "ann"]),
)
def test_explain_says_what_reel_and_tray_show(edges, indexed, stored, seconds_left, stale, viewer) -> None:
    same = indexed if stored == "same" else stored
    asyncio.run(compare(edges, indexed, same, seconds_left, stale, viewer))


async def test_every_rule_is_explained_also_after_one_that_fails() -> None:
    use_cases = UseCases()
    story = posted("ann", audience="friends", hide_from=("bob",))
    await use_cases.live(story)
    explain = ExplainStory(use_cases.reel.visible_stories, use_cases.stories, lambda _user, _country: "denied")
    found = await explain(story.story_id, "bob")
    failed = {outcome.rule for outcome in found.rules if not outcome.passed}
    assert (found.author_id, found.visible, failed) == ("ann", False, {"hide_from", "audience", "rollout"})
    assert (await explain(story.story_id, "ann")).rules[1].detail == "the viewer is the author"


async def test_the_rollout_is_explained_by_the_country_where_it_is_known() -> None:
    use_cases = UseCases()
    await use_cases.live(story := posted("ann"))
    stores = (use_cases.reel.visible_stories, use_cases.stories)
    explain = ExplainStory(*stores, lambda _user, country: None if country == "NL" else "country")
    assert (await explain(story.story_id, "ann", "NL")).visible
    assert not (await explain(story.story_id, "ann", "BE")).visible
    assert "country is not known" in (await explain(story.story_id, "bob")).rules[4].detail


@pytest.mark.servers
async def test_author_and_admin_are_told_and_nobody_else(feed, people) -> None:
    story = await feed.post(people.ann, audience="followers")
    path = f"/v1/stories/{story.story_id}/explain?viewer={people.bob}"
    found = await feed.get(path, people.ann)
    assert (found["visible"], found["rules"][3]["rule"], found["rules"][3]["passed"]) == (False, "audience", False)
    await feed.follow(people.bob, people.ann)
    assert (await feed.get(path, people.cho, roles=["admin"]))["visible"] is True
    for user, query in ((people.bob, f"?viewer={people.bob}"), (people.ann, ""), (people.ann, "?viewer=%2F")):
        answer = await feed.call("GET", f"/v1/stories/{story.story_id}/explain{query}", user)
        assert answer.status_code == (404 if user == people.bob else 422)


@pytest.mark.servers
async def test_hiding_takes_all_stories_away_until_it_is_withdrawn(feed, people) -> None:
    await feed.follow(people.bob, people.ann)
    await feed.post(people.ann)
    await feed.edit("PUT", f"/v1/hidden-from/{people.bob}", people.ann)
    assert await feed.listed(people.ann, "hidden-from") == [people.bob]
    assert await feed.tray(people.bob) == {}
    assert (await feed.reel(people.bob, people.ann), await feed.ring(people.bob, people.ann)) == ([], "none")
    assert await feed.listed(people.bob, "following") == [people.ann]
    await feed.edit("DELETE", f"/v1/hidden-from/{people.bob}", people.ann)
    assert await feed.tray(people.bob) == {people.ann: "unseen"}

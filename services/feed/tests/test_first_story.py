"""A story goes from the log to a follower's tray and reel."""

import pytest

pytestmark = pytest.mark.servers


async def test_a_posted_story_is_in_the_tray_of_a_follower(feed) -> None:
    await feed.follow("bob", "ann")
    story = await feed.post("ann")
    tray = await feed.get("/v1/tray", "bob")
    (ring,) = tray["items"]
    assert (ring["author_id"], ring["ring"], ring["stories"], ring["unseen"]) == ("ann", "unseen", 1, 1)
    assert tray["mine"] is None
    assert story.media.poster_key in ring["poster_url"]


async def test_the_reel_gives_urls_that_open_and_a_ticket_of_the_viewer(feed) -> None:
    story = await feed.post("ann")
    reel = await feed.get("/v1/users/ann/stories", "bob")
    (item,) = reel["items"]
    assert item["id"] == story.story_id
    assert reel["next_cursor"] is None
    ticket = feed.app.state.foundation.tickets.read(item["ticket"], "bob", feed.app.state.foundation.now())
    assert (ticket.story_id, ticket.author_id) == (story.story_id, "ann")

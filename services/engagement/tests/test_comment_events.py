"""`comment-created`, `comment-removed` and `story-reacted`."""

from typing import Any

from stories_engagement.store.kinds import comment_event, reaction_event
from stories_engagement.testing.builders import NOON, a_ticket
from stories_engagement.testing.harness import ServiceHarness
from stories_shared.events import CommentCreated, CommentRemoved, StoryReacted, UserErased
from stories_shared.events.ids import new_id
from stories_shared.testing import eventually

STORY = new_id()


def a_comment(**changes: Any) -> dict[str, Any]:
    row = {"_id": new_id(), "story_id": STORY, "writer_id": "bob", "text": "hi", "at": NOON, "reply_to": None}
    return {**row, "replies": 0, "hidden": False, **changes}


def test_comment_events_follow_what_others_can_see() -> None:
    shown, hidden = a_comment(), a_comment(hidden=True)
    assert isinstance(comment_event(None, shown, "ann", NOON), CommentCreated)
    assert comment_event(None, hidden, "ann", NOON) is None
    assert isinstance(comment_event(hidden, {**hidden, "hidden": False}, "ann", NOON), CommentCreated)
    assert isinstance(comment_event(shown, {**shown, "hidden": True}, "ann", NOON), CommentRemoved)
    assert isinstance(comment_event(shown, None, "ann", NOON), CommentRemoved)
    assert comment_event(shown, {**shown, "replies": 1}, "ann", NOON) is None


def test_reaction_event_tells_the_emoji_in_force() -> None:
    row = {"_id": f"{STORY}/bob", "viewer_id": "bob", "emoji": "🔥", "at": NOON}
    assert reaction_event(None, row, "ann", NOON) == StoryReacted(
        story_id=STORY, author_id="ann", user_id="bob", emoji="🔥", at=NOON
    )
    assert reaction_event(row, {**row}, "ann", NOON) is None
    for after in (None, {**row, "emoji": None}):
        event = reaction_event(row, after, "ann", NOON)
        assert isinstance(event, StoryReacted)
        assert event.emoji is None


async def test_comments_and_reactions_are_published_without_text(service: ServiceHarness) -> None:
    story = await service.post()
    base, ticket = f"/v1/stories/{story.story_id}", a_ticket(story, "bob")
    top = (await service.request("POST", f"{base}/comments", "bob", ticket, json={"text": "hi"})).json()
    reply = {"text": "ho", "reply_to": top["id"]}
    await service.request("POST", f"{base}/comments", "eve", a_ticket(story, "eve"), json=reply)
    await service.request("PUT", f"{base}/reaction", "bob", ticket, json={"emoji": "🔥"})
    await service.request("DELETE", f"{base}/reaction", "bob")
    await service.ingest.publish(UserErased(user_id="eve", at=story.expires_at, receipt_id=new_id()))

    async def published() -> bool:
        created, removed, reacted = [
            [event for event in await service.event_reader(kind)() if event.story_id == story.story_id]
            for kind in (CommentCreated, CommentRemoved, StoryReacted)
        ]
        assert [(e.user_id, e.reply_to, e.author_id) for e in created] == [
            ("bob", None, "ann"),
            ("eve", top["id"], "ann"),
        ]
        assert [(e.user_id, e.reply_to) for e in removed] == [("eve", top["id"])]
        assert [e.emoji for e in reacted] == ["🔥", None]
        return await service.mongo["events"].find_one({"story_id": story.story_id}) is None

    await eventually(published)

"""The contract of the feed: its OpenAPI document, retention of marks, methods and consumers."""

from datetime import timedelta

import pytest
from stories_feed.jobs import GROUPS
from stories_shared.kafka.topics import MARK_RETENTION, Topics

SERVED = {
    *("/v1/tray", "/v1/rings", "/v1/users/{user_id}/stories", "/v1/reels", "/v1/stories/{story_id}", "/v1/for-you"),
    *("/v1/live", "/v1/live/token", "/v1/hashtags", "/v1/hashtags/{tag}/stories", "/v1/me/mentions"),
    "/v1/stories/{story_id}/explain",
    *("/v1/users/{user_id}/seen", "/v1/followers", "/v1/followers/{user_id}"),
    *(f"/v1/{name}" for name in ("following", "blocked", "muted", "close-friends", "hidden-from")),
    *(f"/v1/{name}/{{user_id}}" for name in ("following", "blocked", "muted", "close-friends", "hidden-from")),
}


def references(document) -> set[str]:
    """Every schema that a document references."""
    if isinstance(document, dict):
        own = {document["$ref"]} if isinstance(document.get("$ref"), str) else set()
        return own.union(*(references(each) for each in document.values()))
    if isinstance(document, list):
        return set().union(*(references(each) for each in document))
    return set()


@pytest.mark.parametrize("lifetimes", [(timedelta(hours=24),), (timedelta(days=7), timedelta(seconds=20))])
def test_marks_outlive_every_record_that_could_be_replayed(lifetimes) -> None:
    topics = Topics.of(lifetimes).of_service("feed").values()
    assert max(topic.max_record_age for topic in topics) < MARK_RETENTION


def test_index_starts_at_the_committed_offsets_of_its_topics() -> None:
    assert GROUPS == {
        "feed.story-posted": "story-posted",
        "feed.story-deleted": "story-deleted",
        "feed.story-engaged": "story-engaged",
    }


@pytest.mark.servers
async def test_openapi_document_has_every_route_and_schema(feed) -> None:
    document = (await feed.http.get("/openapi.json")).json()
    assert set(document["paths"]) == SERVED
    known = {f"#/components/{kind}/{name}" for kind, found in document["components"].items() for name in found}
    assert references(document) <= known


@pytest.mark.servers
@pytest.mark.parametrize(
    ("method", "path", "allowed"), [("POST", "/v1/tray", "GET"), ("PATCH", "/v1/muted/ann", "PUT")]
)
async def test_a_wrong_method_is_405_with_an_allow_header(feed, method, path, allowed) -> None:
    answer = await feed.call(method, path, "bob")
    assert answer.status_code == 405
    assert allowed in answer.headers["allow"]


@pytest.mark.servers
async def test_every_consumer_has_a_group_of_the_feed(feed) -> None:
    subscribers = feed.app.state.runtime.subscribers
    assert len(subscribers) == 16
    prefix = feed.settings.kafka_topic_prefix
    assert all(each.group_id.startswith(f"{prefix}feed.") for each in subscribers)

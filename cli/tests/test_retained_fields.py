"""The fields that may remain of an ended story match the inventory in docs/privacy.md."""

import re
from typing import Any

import msgspec
import pytest
from stories_cli.retained_fields import IN_COLLECTIONS, IN_TOPICS, NOTHING, content_fields, record_has_content
from stories_embedded.paths import CHECKOUT
from stories_shared.events import EVENTS
from stories_shared.events.ids import new_id

PAGE = (CHECKOUT / "docs" / "privacy.md").read_text(encoding="utf-8")
INVENTORY = dict(re.findall(r"^\| `(stories_[a-z]+\.[a-z_]+)` \|.*\|(.*)\|$", PAGE, re.MULTILINE))
STORY = new_id()


@pytest.mark.parametrize("content", [{"caption": "sunset"}, {"text": "lovely"}, {"media": {"alt_text": "my-home"}}])
@pytest.mark.parametrize("collection", [name for name, fields in IN_COLLECTIONS.items() if fields])
def test_single_word_in_an_unlisted_field_is_content(collection: str, content: dict[str, Any]) -> None:
    (name,) = content
    assert [path.partition(".")[0] for path in content_fields(collection, {"_id": STORY, **content}, STORY)] == [name]


def test_fields_of_an_unknown_collection_are_all_content() -> None:
    assert content_fields("stories_feed.highlights", {"_id": STORY, "n": 3}, STORY) == ["_id", "n"]


def test_id_is_content_where_nothing_may_remain() -> None:
    assert content_fields("stories_engagement.comments", {"story_id": STORY}, STORY) == ["story_id"]


def test_another_storys_document_may_refer_to_an_ended_one() -> None:
    sibling = {"_id": new_id(), "series_id": STORY, "caption": "the second part"}
    assert content_fields("stories_feed.stories", sibling, STORY) == []
    assert content_fields("stories_feed.stories", sibling | {"_id": STORY}, STORY)


def test_array_elements_are_checked() -> None:
    quota = {"_id": "ann", "posted": [{"story": STORY, "until": 1}, {"story": STORY, "title": "walk"}]}
    assert content_fields("stories_ingest.quotas", quota, STORY) == ["posted.title"]


@pytest.mark.parametrize(
    ("value", "content"),
    [
        (None, False),
        (b"", False),
        (b'{"story_id":"s","author_id":"a","deleted_at":"t","by":"author"}', False),
        (b'{"story_id":"s","note":"sunset"}', True),
        (b"sunset", True),
        (b'["sunset"]', True),
    ],
)
def test_unlisted_record_field_counts_as_content(value: bytes | None, content: bool) -> None:
    assert record_has_content("story-deleted", value) is content


def ends_with_the_story(until: str) -> bool:
    return "the end" in until and "after the end" not in until


def test_retained_fields_cover_every_story_collection() -> None:
    gone = {name for name, until in INVENTORY.items() if ends_with_the_story(until)}
    assert len(gone) >= 7
    assert gone == {name for name, fields in IN_COLLECTIONS.items() if fields == NOTHING}


def test_every_collection_of_the_list_is_in_the_inventory() -> None:
    assert IN_COLLECTIONS.keys() <= INVENTORY.keys()


def test_topics_keep_all_fields_of_an_event_or_none() -> None:
    assert IN_TOPICS.keys() == {name for name, event in EVENTS.items() if event.key_field == "story_id"}
    for name, fields in IN_TOPICS.items():
        assert fields in (NOTHING, {each.encode_name for each in msgspec.structs.fields(EVENTS[name])}), name


def test_topics_with_content_or_viewers_are_those_of_the_inventory() -> None:
    rows = re.findall(r"^\| (`story-[^|]*) \| ([^|]*) \|", PAGE, re.MULTILINE)
    telling = {
        name for names, what in rows if re.search("content|viewer", what) for name in re.findall("`(.*?)`", names)
    }
    assert telling == {name for name, fields in IN_TOPICS.items() if fields == NOTHING}

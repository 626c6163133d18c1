"""Retention of topics, and of markers that must outlive the records they guard against."""

from datetime import timedelta

import pytest
from stories_shared.events import EVENTS
from stories_shared.kafka.topics import MARK_RETENTION, Topics

DAY = timedelta(days=1)


@pytest.fixture
def topics() -> Topics:
    return Topics.of([DAY, timedelta(seconds=20)])


def test_every_event_has_a_topic_and_every_reader_a_dead_letter_topic(topics):
    assert {topic.name for topic in topics.values() if topic.dead_letters_of is None} == set(EVENTS)
    for topic in list(topics.values()):
        for reader in topic.readers:
            assert topics[f"{topic.name}.{reader}.dlq"].dead_letters_of == (topic.name, reader)


def test_topics_and_events_agree_on_external_writers(topics):
    assert {name for name, event in EVENTS.items() if event.external_writers} == {
        topic.name for topic in topics.values() if topic.external_writers
    }


def test_story_topic_outlives_stories_by_a_day_and_is_compacted(topics):
    posted = topics["story-posted"]
    assert posted.retention == 2 * DAY
    assert posted.config(1)["cleanup.policy"] == "compact,delete"
    assert topics["story-posted.feed.dlq"].retention <= posted.retention


def test_segments_are_a_tenth_of_the_retention(topics):
    for topic in topics.values():
        assert topic.segment == topic.retention / 10
        assert topic.config(1)["message.timestamp.type"] == "LogAppendTime"


def test_markers_outlive_every_replayable_record(topics):
    for topic in topics.values():
        if topic.dead_letters_of and topic.dead_letters_of[0] != "user-suspended":  # its reader skips old ones
            origin = topics[topic.dead_letters_of[0]]
            assert origin.max_record_age + topic.max_record_age + origin.max_record_age < MARK_RETENTION


def test_a_cap_bounds_every_retention():
    for topic in Topics.of([DAY], cap=timedelta(seconds=10)).values():
        assert topic.retention <= timedelta(seconds=10)


def test_three_replicas_need_two_in_sync(topics):
    assert topics["story-viewed"].config(3)["min.insync.replicas"] == "2"
    assert topics["story-viewed"].config(1)["min.insync.replicas"] == "1"

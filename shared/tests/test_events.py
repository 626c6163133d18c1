"""Topics: old payloads stay readable, external producers write in three modes, what decodes can be stored."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bson
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stories_shared.events import EVENTS, StoryDeleted, StoryPosted, StoryViewed, UserFollowed, encode
from stories_shared.events.cloudevents import DecodeError, decode_record, headers_of
from stories_shared.events.ids import is_id, new_id

GOLDEN = Path(__file__).parent / "golden"  # a folder for each release, and one for what is not released yet
UNRELEASED = GOLDEN / "unreleased"
FOLLOW = b'{"user_id":"ann","target_id":"bob","at":"2026-01-01T00:00:00Z"}'
AT = datetime(2026, 1, 1, tzinfo=UTC)


def record(value: bytes | None, headers: Any = ()) -> SimpleNamespace:
    return SimpleNamespace(
        value=value, headers=headers, key=b"k", topic="t", partition=1, offset=7, timestamp=1_767_225_600_000
    )


@pytest.mark.parametrize("path", sorted(GOLDEN.rglob("*.json")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_payloads_of_every_release_decode_unchanged(path):
    event = EVENTS[path.stem]
    value = path.read_bytes()
    decoded = json.loads(encode(decode_record(record(value), event).event))
    assert decoded == decoded | json.loads(value)


@pytest.mark.parametrize("path", sorted(GOLDEN.rglob("*.json")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_payload_of_a_later_release_decodes_without_new_fields(path):
    value = path.read_bytes()
    assert decode_record(record(json.dumps(grown(json.loads(value))).encode()), EVENTS[path.stem]) == decode_record(
        record(value), EVENTS[path.stem]
    )


def grown(value: Any) -> Any:
    """As a later release may publish it: another field in every object."""
    if isinstance(value, dict) and not value.keys() & {"z", "❤️", "forward"}:
        return {name: grown(inner) for name, inner in value.items()} | {"new": {"since": "later", "n": [1]}}
    return value


def test_every_event_has_a_golden_payload_with_all_fields():
    assert {path.stem for path in UNRELEASED.iterdir()} == set(EVENTS)
    for topic, event in EVENTS.items():
        payload = json.loads((UNRELEASED / f"{topic}.json").read_bytes())
        assert set(payload) == {field.encode_name for field in msgspec.structs.fields(event)}


def test_every_event_of_an_earlier_release_exists():
    assert {path.stem for path in GOLDEN.rglob("*.json")} == set(EVENTS)


def test_unknown_fields_are_ignored():
    assert decode_record(record(FOLLOW[:-1] + b',"colour":"blue"}'), UserFollowed).event.target_id == "bob"


def test_binary_mode_has_source_id_and_time():
    headers = headers_of(UserFollowed(user_id="ann", target_id="bob", at=AT), "/stories/feed", "f-1", AT)
    received = decode_record(record(FOLLOW, headers), UserFollowed)
    assert (received.source, received.id, received.produced_at, received.is_internal) == (
        "/stories/feed",
        "f-1",
        AT,
        True,
    )
    assert received.identity == "/stories/feed#f-1"


def test_headers_that_follow_other_ones_are_read_for_themselves():
    follow = UserFollowed(user_id="ann", target_id="bob", at=AT)
    own, other = headers_of(follow, "/stories/feed", "f-1", AT), headers_of(follow, "/graph", "g-1", AT)
    overridden = [*own, ("CE_Source", b"/last"), ("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01")]
    without = [header for header in own if header[0] not in ("ce_source", "ce_time")]
    found = [
        (received.source, received.id, received.produced_at, received.traceparent is not None)
        for headers in (own, other, own, overridden, without, own[::-1], (), own)
        for received in [decode_record(record(FOLLOW, headers), UserFollowed)]
    ]
    plain = ("/stories/feed", "f-1", AT, False)
    assert found == [
        plain,
        ("/graph", "g-1", AT, False),
        plain,
        ("/last", "f-1", AT, True),
        (None, "f-1", None, False),
        plain,
        (None, None, None, False),
        plain,
    ]


def test_structured_mode_decodes_the_same_event():
    envelope = {
        "specversion": "1.0",
        "id": "f-2",
        "source": "/graph",
        "type": "com.example.followed",
        "time": "2026-01-01T02:00:00+02:00",
        "data": json.loads(FOLLOW),
    }
    headers = [("content-type", b"application/cloudevents+json; charset=utf-8")]
    received = decode_record(record(json.dumps(envelope).encode(), headers), UserFollowed)
    assert (received.source, received.id, received.produced_at, received.is_internal) == ("/graph", "f-2", AT, False)
    assert received.event.target_id == "bob"


def structured(**data: Any) -> SimpleNamespace:
    envelope = {"specversion": "1.0", "id": "f-2", "source": "/graph", "type": "com.example.followed"} | data
    return record(json.dumps(envelope).encode(), [("content-type", b"Application/CloudEvents+json")])


def test_structured_mode_accepts_base64():
    received = decode_record(structured(data_base64=base64.b64encode(FOLLOW).decode()), UserFollowed)
    assert (received.id, received.event.target_id) == ("f-2", "bob")


@pytest.mark.parametrize("data", [{}, {"data": {}, "data_base64": ""}, {"data_base64": "no base64!"}])
def test_structured_mode_needs_exactly_one_data_field(data):
    with pytest.raises(DecodeError, match=r"data_base64|base64"):
        decode_record(structured(**data), UserFollowed)


def test_structured_event_without_content_type_names_the_header():
    envelope = structured(data=json.loads(FOLLOW)).value
    with pytest.raises(DecodeError, match=r"content-type: application/cloudevents\+json"):
        decode_record(record(envelope, [("content-type", b"application/json")]), UserFollowed)


@pytest.mark.parametrize(("microsecond", "digits"), [(0, "000"), (7, "000"), (120_000, "120"), (123_456, "123")])
def test_times_are_written_with_three_digits(microsecond, digits):
    event = UserFollowed(user_id="ann", target_id="bob", at=AT.replace(microsecond=microsecond))
    assert json.loads(encode(event))["at"] == f"2026-01-01T00:00:00.{digits}Z"


def test_bare_json_is_identified_by_its_offset():
    assert decode_record(record(FOLLOW), UserFollowed).identity == "user-followed/1/7"


def test_schema_registry_prefix_is_skipped():
    assert decode_record(record(b"\0\0\0\0\x05" + FOLLOW), UserFollowed).event.user_id == "ann"


def test_null_and_non_utf8_headers_count_as_absent():
    received = decode_record(
        record(FOLLOW, [("ce_id", b"\xff"), ("ce_source", None), ("ce_time", b"soon")]), UserFollowed
    )
    assert (received.id, received.source, received.produced_at) == (None, None, None)


def test_event_of_another_type_is_a_decode_error():
    with pytest.raises(DecodeError, match="v2"):
        decode_record(record(FOLLOW, [("ce_type", b"stories.user-followed.v2")]), UserFollowed)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"[" * 200_000,
        b"\xff\xfe",
        FOLLOW.replace(b"ann", b"a nn"),
        FOLLOW.replace(b"ann", b"ann\\u0000"),
        FOLLOW.replace(b"ann", b"a" * 129),
        FOLLOW.replace(b"2026", b"0001"),
        FOLLOW.replace(b"Z", b""),
        FOLLOW.replace(b'"bob"', b"7"),
    ],
)
def test_invalid_edge_is_a_decode_error(value):
    with pytest.raises(DecodeError):
        decode_record(record(value), UserFollowed)


def posted(**changes: Any) -> dict[str, Any]:
    return json.loads((UNRELEASED / "story-posted.json").read_bytes()) | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"media": posted()["media"] | {"key": "staging/somebody-else"}},
        {"media": posted()["media"] | {"key": f"stories/{new_id()}/media.mp4"}},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"revision": 2**70},
        {"caption": "x" * 2_201},
        {"hide_from": ["ann"] * 1_001},
        {"layers": [{"deep": [[[[[[[[[[]]]]]]]]]]}]},
        {"layers": [{"big": "x" * 20_000}]},
        {"layers": [{"n": 2**64}]},
        {"layers": [{"a\0b": 1}]},
        {"layers": [{}] * 51},
        {"part": 3, "parts": 2},
    ],
)
def test_story_out_of_bounds_is_a_decode_error(changes):
    with pytest.raises(DecodeError):
        decode_record(record(json.dumps(posted(**changes)).encode()), StoryPosted)


def test_times_are_normalised_to_utc_milliseconds():
    value = FOLLOW.replace(b"2026-01-01T00:00:00Z", b"2026-01-01T05:45:00.123456789+05:45")
    assert decode_record(record(value), UserFollowed).event.at == AT + timedelta(milliseconds=123)


def test_outside_producers_may_omit_optional_fields():
    view = {"story_id": new_id(), "viewer_id": "ann", "viewed_at": "2026-01-01T00:00:00Z"}
    assert decode_record(record(json.dumps(view).encode()), StoryViewed).event.listed is None
    gone = {"story_id": new_id(), "deleted_at": "2026-01-01T00:00:00Z", "by": "admin"}
    assert decode_record(record(json.dumps(gone).encode()), StoryDeleted).event.author_id is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@given(layer=st.dictionaries(st.text(max_size=10), JSON, max_size=4), caption=st.text(max_size=50))
def test_what_decodes_can_be_stored(layer, caption):
    value = json.dumps(posted(layers=[layer], caption=caption)).encode("utf-8", "surrogatepass")
    try:
        decoded = decode_record(record(value), StoryPosted).event
    except DecodeError:
        return
    bson.encode(msgspec.to_builtins(decoded, builtin_types=(datetime,)))


@given(at=st.datetimes(timezones=st.just(timezone(timedelta(hours=14)))))
def test_a_time_that_decodes_is_between_2000_and_9000(at):
    value = json.dumps({"user_id": "a", "target_id": "b", "at": at.isoformat()}).encode()
    try:
        decoded = decode_record(record(value), UserFollowed).event
    except DecodeError:
        return
    bson.encode({"at": decoded.at})


def test_ids_sort_by_time_and_are_recognised():
    first, second = new_id(), new_id()
    assert first < second or first[:13] == second[:13]
    assert is_id(first)
    assert not is_id(first.upper())

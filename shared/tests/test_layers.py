"""Layers: each kind with its own fields, and the hashtags and mentions that they name."""

from typing import Any

import jsonschema
import msgspec
import pytest
from stories_shared.events import layers
from stories_shared.events.layers import LayerError, hashtags_of, layer_of, mentions_of, parse_layers
from stories_shared.http.layer_schemas import layer_schemas

FRAME = {"x": 0.1, "y": 0, "w": 1, "h": 0.5}
KINDS: dict[str, dict[str, Any]] = {
    "text": {"text": "hi", "font": "neon", "color": "#fff000", "background": None, "align": "left"},
    "caption": {"text": "x" * 2_200},
    "sticker": {"sticker_id": "cat-1"},
    "mention": {"user_id": "bob"},
    "hashtag": {"tag": "Été_2026"},
    "link": {"url": "https://example.org:8443/a?b=c#d", "title": None},
    "poll": {"question": "tea?", "options": ["yes", "no"]},
    "quiz": {"question": "1 + 1", "options": ["1", "2", "3"], "correct": 1},
    "question": {"prompt": "how are you"},
    "promo_code": {"code": "SAVE10", "terms": "until Sunday", "url": "https://example.org"},
    "music": {"title": "Dawn", "artist": "", "sound_id": None, "start_ms": 0, "length_ms": 60_000},
    "effect": {"name": "glow", "intensity": 0.5},
}


def layer(kind: str, **changes: Any) -> dict[str, Any]:
    return {"kind": kind, **FRAME, **KINDS[kind], **changes}


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_of_each_kind_is_stored_as_it_was_sent(kind):
    [stored] = msgspec.json.decode(msgspec.json.encode(parse_layers([layer(kind)])))
    assert stored.pop("id")
    assert stored == {"rotation": 0, "z": 0, **layer(kind)}
    jsonschema.validate(layer(kind), layer_schemas()[f"{layers.KINDS[kind].__name__}Create"])


def test_every_kind_is_tested():
    assert set(KINDS) == set(layers.KINDS)


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        (3, ()),
        ({}, ("kind",)),
        (layer("text") | {"kind": "nothing"}, ("kind",)),
        (layer("text", own=1), ("own",)),
        (layer("text", id="mine"), ("id",)),
        (layer("sticker", text="of another kind"), ("text",)),
        ({"kind": "text", **FRAME}, ("text",)),
        (layer("text", text=" "), ("text",)),
        (layer("text", text="x" * 501), ("text",)),
        (layer("text", font="comic"), ("font",)),
        (layer("text", color="red"), ("color",)),
        (layer("text", x=1.01), ("x",)),
        (layer("text", rotation=181), ("rotation",)),
        (layer("text", z=1.5), ("z",)),
        (layer("mention", user_id="not ok"), ("user_id",)),
        (layer("hashtag", tag="2026"), ("tag",)),
        (layer("hashtag", tag="a b"), ("tag",)),
        (layer("link", url="http://example.org"), ("url",)),
        (layer("link", url="https://user:word@example.org"), ("url",)),
        (layer("poll", options=["one"]), ("options",)),
        (layer("poll", options=["", "two"]), ("options", 0)),
        (layer("quiz", correct=3), ("correct",)),
        (layer("question", prompt="x" * 201), ("prompt",)),
        (layer("promo_code", code=""), ("code",)),
        (layer("music", length_ms=60_001), ("length_ms",)),
        (layer("effect", intensity=2), ("intensity",)),
    ],
)
def test_a_wrong_layer_is_refused_with_the_path_to_its_field(wrong, path):
    with pytest.raises(LayerError) as refused:
        parse_layers([layer("text"), wrong])
    assert refused.value.path == (1, *path)


def test_too_many_or_too_large_layers_are_refused():
    with pytest.raises(LayerError, match="50"):
        parse_layers([layer("mention")] * 51)
    with pytest.raises(LayerError, match="32 KiB"):
        parse_layers([layer("caption")] * 15)
    assert len(parse_layers([layer("caption")] * 13)) == 13


def test_text_is_normalised_before_its_length_counts():
    [stored] = parse_layers([layer("poll", options=[" e\u0301 ", "b" * 80 + " "])])
    assert stored.options == ("é", "b" * 80)


def test_layers_of_earlier_and_later_releases_stay_readable():
    assert layer_of({"kind": "text", "x": 0.5}) is None
    assert layer_of({"kind": "hologram", **FRAME}) is None
    assert layer_of(layer("text", id="1", since="later")) is not None


def test_hashtags_come_folded_from_layers_and_caption():
    found = hashtags_of("#First #dawn, #2026 #ＡＢＣ a#no https://x/#no #stop-here", [layer("hashtag", tag="DAWN"), {}])
    assert found == ("dawn", "first", "abc", "stop")


def test_mentions_come_from_layers_and_caption_without_punctuation():
    found = mentions_of("with @bob. and (@cho), me@example.org", [layer("mention", user_id="zed"), layer("text")])
    assert found == ("zed", "bob", "cho")

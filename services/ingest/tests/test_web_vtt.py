"""Captions tracks are checked when a story is created, and cut when its clip is split."""

import pytest
from hypothesis import given
from hypothesis.strategies import integers, text
from stories_ingest.domain.web_vtt import cut, fault_of

TRACK = """WEBVTT - spoken

NOTE made by hand

STYLE
::cue { color: lime }

one
00:00:01.000 --> 00:00:04.000 align:start
<v Ann>Good morning

00:09.500 --> 00:12.500
and
good night
"""
CUE = "00:01.000 --> 00:02.500"


@pytest.mark.parametrize(
    "text",
    [
        "WEBVTT",
        f"\ufeffWEBVTT - spoken\r\nKind: captions\r\n\r\n{CUE}\r\nhi\r\n",
        f"WEBVTT\n\nNOTE a comment\n\nSTYLE\n::cue {{}}\n\n1\n{CUE} align:start\nhi\nthere\n",
        f"WEBVTT\n\n{CUE}\n\n\n01:00:02.000 --> 01:00:03.000\nlater",
    ],
)
def test_web_vtt_has_no_fault(text):
    assert fault_of(text) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("1\n00:00 --> 00:01\nhi", "begins with WEBVTT"),
        ("WEBVTTX", "begins with WEBVTT"),
        (f"WEBVTT\n{CUE}\nhi", "line 2: a blank line"),
        ("WEBVTT\n\njust words", "line 3: a cue has a timing line"),
        ("WEBVTT\n\n1\njust words", "line 4: a cue has a timing line"),
        ("WEBVTT\n\n00:00:61.000 --> 00:02:00.000\nx", "line 3: a cue has a timing line"),
        ("WEBVTT\n\n00:01,000 --> 00:02,000\nx", "line 3: a cue has a timing line"),
        ("WEBVTT\n\n00:02.000 --> 00:01.000\nbackwards", "line 3: a cue ends after it begins"),
        (f"WEBVTT\n\n{CUE}\nhi\n{CUE}\nagain", "line 5: a cue's text has no -->"),
    ],
)
def test_fault_of_a_track_names_its_line(text, fault):
    assert fault in (fault_of(text) or "")


def test_cues_are_clipped_to_a_part_and_start_at_zero() -> None:
    assert cut(TRACK, 2000, 10_000) == (
        "WEBVTT - spoken\n\nSTYLE\n::cue { color: lime }\n\n"
        "one\n00:00:00.000 --> 00:00:02.000 align:start\n<v Ann>Good morning\n\n"
        "00:00:07.500 --> 00:00:08.000\nand\ngood night\n"
    )


def test_part_without_cues_has_no_captions() -> None:
    assert cut(TRACK, 4000, 9500) is None
    assert cut("WEBVTT\n", 0, 15_000) is None


def test_any_line_ending_is_accepted() -> None:
    assert cut("\ufeff" + TRACK.replace("\n", "\r\n"), 0, 15_000) == cut(TRACK, 0, 15_000)
    assert cut(TRACK.replace("\n", "\r"), 0, 15_000) == cut(TRACK, 0, 15_000)


@given(text(alphabet="0123456789:.->\n\r WEBVT\ufeffaSTYL", max_size=300), integers(0, 20_000), integers(0, 20_000))
def test_any_text_can_be_cut_and_cut_again(body: str, start: int, length: int) -> None:
    once = cut("WEBVTT\n\n" + body, start, start + length)
    if once is not None:
        assert cut(once, 0, length) == once

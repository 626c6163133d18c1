"""Cutting of WebVTT captions."""

import pytest
from hypothesis import given
from hypothesis.strategies import integers, text
from stories_ingest.media import NotWebVtt, cut_captions

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


def test_cues_are_clipped_to_a_part_and_start_at_zero() -> None:
    assert cut_captions(TRACK, 2000, 10_000) == (
        "WEBVTT - spoken\n\nSTYLE\n::cue { color: lime }\n\n"
        "one\n00:00:00.000 --> 00:00:02.000 align:start\n<v Ann>Good morning\n\n"
        "00:00:07.500 --> 00:00:08.000\nand\ngood night\n"
    )


def test_part_without_cues_has_no_captions() -> None:
    assert cut_captions(TRACK, 4000, 9500) is None
    assert cut_captions("WEBVTT\n", 0, 15_000) is None


def test_any_line_ending_is_accepted() -> None:
    assert cut_captions("\ufeff" + TRACK.replace("\n", "\r\n"), 0, 15_000) == cut_captions(TRACK, 0, 15_000)
    assert cut_captions(TRACK.replace("\n", "\r"), 0, 15_000) == cut_captions(TRACK, 0, 15_000)


def test_invalid_blocks_are_ignored() -> None:
    messy = (
        "WEBVTT\n\n00:02.000 --> 00:01.000\nbackwards\n\njust words\n\n00:00:61.000 --> 00:02:00.000\nno such second"
        "\n\n00:01.000-->00:02.000\nfine\n\n99999999999999999999:00:00.000 --> 00:01.000\nnever"
    )
    assert cut_captions(messy, 0, 15_000) == "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nfine\n"


@given(text(alphabet="0123456789:.->\n\r WEBVT\ufeffaSTYL", max_size=300), integers(0, 20_000), integers(0, 20_000))
def test_any_text_can_be_cut_and_cut_again(body: str, start: int, length: int) -> None:
    cut = cut_captions("WEBVTT\n\n" + body, start, start + length)
    if cut is not None:
        assert cut_captions(cut, 0, length) == cut


@pytest.mark.parametrize("vtt", ["", "hello", "WEBVTTX\n\n00:01.000 --> 00:02.000\nx", "1\n00:01,000 --> 00:02,000"])
def test_text_without_a_webvtt_header_is_refused(vtt: str) -> None:
    with pytest.raises(NotWebVtt):
        cut_captions(vtt, 0, 15_000)

"""Captions tracks are checked when a story is created."""

import pytest
from stories_ingest.domain.web_vtt import fault_of

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

"""Captions are inline WebVTT: checked when they come, cut when their clip is split."""

import re

_TIME = r"(?:(\d{2,}):)?([0-5]\d):([0-5]\d)\.(\d{3})"
_TIMING = re.compile(rf"^[ \t]*{_TIME}[ \t]+-->[ \t]+{_TIME}(?P<settings>(?:[ \t]+[^\r\n]*)?)$")
_HEADER = re.compile(r"^WEBVTT(?:[ \t].*)?$")
_KEPT_BLOCKS = ("STYLE", "REGION")
_DROPPED_BLOCKS = ("NOTE",)


class NotWebVtt(ValueError):
    """The text is not WebVTT: no header, or a cue without a time that ends after it begins."""


def cut_captions(vtt: str, start_ms: int, end_ms: int) -> str | None:
    """The cues shown between two times, cut to them and shifted to begin at zero; None if there are none.

    Styles and regions stay, comments go. Raises `NotWebVtt`, so it is also the check: with the clip's whole time it
    gives back the captions, tidied.
    """
    blocks = re.split(
        r"\n(?:[ \t]*\n)+", vtt.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    )
    first, *rest = blocks[0].split("\n")
    if not _HEADER.match(first):
        raise NotWebVtt("does not begin with WEBVTT")
    if any("-->" in line for line in rest):
        raise NotWebVtt("a cue stands in the header")
    kept, cues = [first], 0
    for block in blocks[1:]:
        if block.startswith(_DROPPED_BLOCKS):
            continue
        if block.startswith(_KEPT_BLOCKS) and "-->" not in block:
            kept.append(block)
        elif cue := _cut(block, start_ms, end_ms):
            kept.append(cue)
            cues += 1
    return "\n\n".join(kept) + "\n" if cues else None


def _cut(block: str, start_ms: int, end_ms: int) -> str | None:
    lines = block.split("\n")
    at = 0 if "-->" in lines[0] else 1  # a name may stand before the timing
    timing = _TIMING.match(lines[at]) if at < len(lines) else None
    if timing is None or any("-->" in line for line in lines[at + 1 :]):
        raise NotWebVtt(f"not a cue: {lines[0][:40]!r}")
    begins, ends = _ms(timing.groups()[0:4]), _ms(timing.groups()[4:8])
    if ends <= begins:
        raise NotWebVtt(f"a cue ends before it begins: {lines[at][:40]!r}")
    begins, ends = max(begins, start_ms) - start_ms, min(ends, end_ms) - start_ms
    if begins >= ends:
        return None
    return "\n".join([*lines[:at], f"{_text(begins)} --> {_text(ends)}{timing['settings'].rstrip()}", *lines[at + 1 :]])


def _ms(parts: tuple[str | None, ...]) -> int:
    hours, minutes, seconds, thousandths = (int(part or 0) for part in parts)
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths


def _text(ms: int) -> str:
    seconds, thousandths = divmod(ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{thousandths:03}"

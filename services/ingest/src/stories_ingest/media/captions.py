"""Cut inline WebVTT captions when their clip is split."""

import re

_TIME = r"(?:(\d{2,6}):)?([0-5]\d):([0-5]\d)\.(\d{3})"
_TIMING = re.compile(rf"^[ \t]*{_TIME}[ \t]*-->[ \t]*{_TIME}(?P<settings>(?:[ \t]+.*)?)$")
_HEADER = re.compile(r"^WEBVTT(?:[ \t].*)?$")
_KEPT = ("STYLE", "REGION")


class NotWebVtt(ValueError):
    """The text does not start with a WebVTT header."""


def cut_captions(vtt: str, start_ms: int, end_ms: int) -> str | None:
    """The cues between two times, clipped and shifted to start at zero; None if there are none.

    Styles and regions are kept. Comments and invalid blocks are dropped: players ignore them (W3C WebVTT, section 6.1).
    Raises `NotWebVtt`.
    """
    text = vtt.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    header, _, body = text.partition("\n")
    if not _HEADER.match(header):
        raise NotWebVtt("does not begin with WEBVTT")
    kept, cues = [header], 0
    for block in re.split(r"\n{2,}", body.strip("\n")):
        if cue := _cut(block, start_ms, end_ms):
            kept.append(cue)
            cues += 1
        elif block.startswith(_KEPT) and "-->" not in block:
            kept.append(block)
    return "\n\n".join(kept) + "\n" if cues else None


def _cut(block: str, start_ms: int, end_ms: int) -> str | None:
    """The clipped cue of a block, or None; an identifier line may precede the timing line."""
    lines = block.split("\n")
    at = next((number for number, line in enumerate(lines) if "-->" in line), len(lines))
    timing = _TIMING.match(lines[at]) if at < len(lines) else None
    if timing is None:
        return None
    begins, ends = _ms(timing.groups()[0:4]), _ms(timing.groups()[4:8])
    begins, ends = max(begins, start_ms) - start_ms, min(ends, end_ms) - start_ms
    if begins >= ends:
        return None
    named = lines[at - 1 : at] if at else []
    spoken = [line for line in lines[at + 1 :] if "-->" not in line]
    return "\n".join([*named, f"{_text(begins)} --> {_text(ends)}{timing['settings'].rstrip()}", *spoken])


def _ms(parts: tuple[str | None, ...]) -> int:
    hours, minutes, seconds, thousandths = (int(part or 0) for part in parts)
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths


def _text(ms: int) -> str:
    seconds, thousandths = divmod(ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{thousandths:03}"

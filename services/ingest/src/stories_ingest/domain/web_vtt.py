"""Captions tracks (W3C WebVTT): check them, and cut them when their clip is split."""

import re

_TIME = r"(?:(\d{2,6}):)?([0-5]\d):([0-5]\d)\.(\d{3})"
_TIMING = re.compile(rf"{_TIME}[ \t]+-->[ \t]+{_TIME}(?P<settings>(?:[ \t]+\S.*)?)[ \t]*\Z")
_STYLES = ("STYLE", "REGION")


def fault_of(text: str) -> str | None:
    """Why a text is not WebVTT, None if it is: the header, then blocks that are cues, notes, styles or regions."""
    lines = _lines(text)
    if not re.match(r"WEBVTT(?:[ \t].*)?\Z", lines[0]):
        return "must be WebVTT, which begins with WEBVTT"
    blocks: list[list[tuple[int, str]]] = [[]]
    for number, line in enumerate(lines[1:], 2):
        if line:
            blocks[-1].append((number, line))
        else:
            blocks.append([])
    header, *rest = blocks
    if any("-->" in line for _, line in header):
        return f"line {header[0][0]}: a blank line follows the header"
    return next((fault for block in rest if block and (fault := _fault_of_block(block))), None)


def cut(text: str, start_ms: int, end_ms: int) -> str | None:
    """The cues of a WebVTT text between two times, clipped and shifted to start at zero; None if there are none.

    Styles and regions are kept, notes are dropped.
    """
    header, *lines = _lines(text)
    kept, cues = [header], 0
    for block in re.split(r"\n{2,}", "\n".join(lines).strip("\n")):
        if cue := _cut_cue(block.split("\n"), start_ms, end_ms):
            kept.append(cue)
            cues += 1
        elif block.startswith(_STYLES) and "-->" not in block:
            kept.append(block)
    return "\n\n".join(kept) + "\n" if cues else None


def _lines(text: str) -> list[str]:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _fault_of_block(block: list[tuple[int, str]]) -> str | None:
    number, first = block[0]
    if first.startswith(("NOTE", *_STYLES)) and not any("-->" in line for _, line in block):
        return None
    timing = block[0] if "-->" in first else block[1] if len(block) > 1 else (number, "")
    match = _TIMING.match(timing[1])
    if match is None:
        return f"line {timing[0]}: a cue has a timing line, such as 00:01.000 --> 00:02.500"
    begins, ends = _times(match)
    if begins >= ends:
        return f"line {timing[0]}: a cue ends after it begins"
    after = block[block.index(timing) + 1 :]
    return next((f"line {line}: a cue's text has no -->" for line, text in after if "-->" in text), None)


def _cut_cue(lines: list[str], start_ms: int, end_ms: int) -> str | None:
    """The clipped cue of a block, or None; an identifier may precede the timing line."""
    at = next((number for number, line in enumerate(lines) if "-->" in line), 0)
    timing = _TIMING.match(lines[at])
    if timing is None:
        return None
    begins, ends = _times(timing)
    begins, ends = max(begins, start_ms) - start_ms, min(ends, end_ms) - start_ms
    if begins >= ends:
        return None
    named = lines[at - 1 : at] if at else []
    return "\n".join([*named, f"{_text(begins)} --> {_text(ends)}{timing['settings'].rstrip()}", *lines[at + 1 :]])


def _times(timing: re.Match[str]) -> tuple[int, int]:
    """When a cue begins and ends, in milliseconds."""
    begins, ends = timing.groups()[:4], timing.groups()[4:8]
    return _ms(begins), _ms(ends)


def _ms(parts: tuple[str | None, ...]) -> int:
    hours, minutes, seconds, thousandths = (int(part or 0) for part in parts)
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths


def _text(ms: int) -> str:
    seconds, thousandths = divmod(ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{thousandths:03}"

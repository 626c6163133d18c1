"""Check captions tracks (W3C WebVTT)."""

import re

_TIME = r"(?:(\d{2,6}):)?([0-5]\d):([0-5]\d)\.(\d{3})"
_TIMING = re.compile(rf"{_TIME}[ \t]+-->[ \t]+{_TIME}(?:[ \t]+\S.*)?[ \t]*\Z")
_OTHER = ("NOTE", "STYLE", "REGION")


def fault_of(text: str) -> str | None:
    """Why a text is not WebVTT, None if it is: the header, then blocks that are cues, notes, styles or regions."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
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


def _fault_of_block(block: list[tuple[int, str]]) -> str | None:
    number, first = block[0]
    if first.startswith(_OTHER) and not any("-->" in line for _, line in block):
        return None
    timing = block[0] if "-->" in first else block[1] if len(block) > 1 else (number, "")
    match = _TIMING.match(timing[1])
    if match is None:
        return f"line {timing[0]}: a cue has a timing line, such as 00:01.000 --> 00:02.500"
    if _ms(match.groups()[:4]) >= _ms(match.groups()[4:8]):
        return f"line {timing[0]}: a cue ends after it begins"
    after = block[block.index(timing) + 1 :]
    return next((f"line {line}: a cue's text has no -->" for line, text in after if "-->" in text), None)


def _ms(parts: tuple[str | None, ...]) -> int:
    hours, minutes, seconds, thousandths = (int(part or 0) for part in parts)
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths

"""Emoji: the fully qualified sequences of Unicode's emoji-test.txt, the RGI set (UTS 51)."""

from functools import cache

import emoji

PRESENTATION = "\N{VARIATION SELECTOR-16}"


@cache
def sequences() -> dict[str, str]:
    """The fully qualified sequences, by themselves without presentation selectors."""
    wanted = emoji.STATUS["fully_qualified"]
    return {
        text.replace(PRESENTATION, ""): text for text, known in emoji.EMOJI_DATA.items() if known["status"] == wanted
    }


def fully_qualified(text: str) -> str | None:
    """The fully qualified form of exactly one RGI sequence: ``❤️`` for ``❤️`` and ``❤``, None for ``❤️❤️`` and ``a``."""
    return sequences().get(text.replace(PRESENTATION, ""))

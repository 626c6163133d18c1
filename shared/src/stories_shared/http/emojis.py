"""Emoji: the fully qualified sequences of Unicode's emoji-test.txt, the RGI set (UTS 51)."""

from functools import cache

import emoji


@cache
def sequences() -> frozenset[str]:
    return frozenset(
        text for text, known in emoji.EMOJI_DATA.items() if known["status"] == emoji.STATUS["fully_qualified"]
    )


def is_one_emoji(text: str) -> bool:
    """Whether a string is exactly one fully qualified RGI sequence: ``❤️``, not ``❤``, ``❤️❤️`` or ``a``."""
    return text in sequences()

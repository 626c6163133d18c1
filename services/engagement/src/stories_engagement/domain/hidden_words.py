"""Hidden words: whether a text contains one of them.

Case, accents' encoding, width and invisible characters do not matter (compatibility caseless matching, Unicode §3.13
D146). A word matches as a whole word; in scripts that are written without spaces it matches anywhere.
"""

import unicodedata
from collections.abc import Iterable
from functools import lru_cache

UNSPACED = ("CJK ", "HIRAGANA ", "KATAKANA ", "THAI ", "LAO ", "KHMER ", "MYANMAR ")
"""Prefixes of the Unicode names of characters of scripts that put no space between words."""

VARIATION_SELECTORS = frozenset(map(chr, range(0xFE00, 0xFE10)))


def normalize(text: str) -> str:
    """The text in its form for comparison: without case, compatibility forms and invisible characters."""
    visible = "".join(c for c in text if c not in VARIATION_SELECTORS and unicodedata.category(c) != "Cf")
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFD", visible).casefold())
    return unicodedata.normalize("NFKD", folded.casefold())


def contains_hidden_word(words: Iterable[str], text: str) -> bool:
    """Whether one of the words is in the text."""
    normalized = normalize(text)
    return any(_contains(word, normalized) for word in _folded_words(tuple(words)))


@lru_cache(maxsize=1024)
def _folded_words(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for word in map(normalize, words) if word.strip())


def _contains(word: str, text: str) -> bool:
    start = text.find(word)
    while start >= 0:
        end = start + len(word)
        if _is_boundary(text[start - 1 : start], word[0]) and _is_boundary(text[end : end + 1], word[-1]):
            return True
        start = text.find(word, start + 1)
    return False


def _is_boundary(neighbour: str, inner: str) -> bool:
    """Whether a word boundary lies between the word's first or last character and its neighbour ('' at an end)."""
    if not neighbour:
        return True
    if unicodedata.category(neighbour)[0] == "M":
        return False
    return not (_is_letter(neighbour) and _is_letter(inner))


def _is_letter(character: str) -> bool:
    if unicodedata.category(character)[0] not in "LNM":
        return False
    return not unicodedata.name(character, "").startswith(UNSPACED)

"""Matching of hidden words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stories_engagement.domain.hidden_words import contains_hidden_word


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("bad", "that is BAD."),
        ("bad", "bad's"),
        ("bad", "so_bad_"),
        ("straße", "STRASSE"),
        ("STRASSE", "straße 5"),
        ("ΣΟΦΟΣ", "σοφος"),
        ("café", "cafe\u0301!"),
        ("bad", "ｂａｄ"),
        ("bad", "b\u200bad"),
        ("bad", "b\u00adad"),
        ("two words", "just Two Words here"),
        ("笨蛋", "你这个笨蛋啊"),
        ("บ้า", "คนบ้ามาก"),
        ("💩", "oh💩no"),
        ("❤️", "I ❤ it"),
        ("c++", "c++"),
        ("bad", "notbad, bad"),
    ],
)
def test_word_is_found_in_a_text(word: str, text: str) -> None:
    assert contains_hidden_word([word], text)


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("bad", "badge"),
        ("bad", "forbad"),
        ("bad", "bäd"),
        ("ad", "bad ade"),
        ("bad", "b ad"),
        ("1", "21"),
        ("", "x"),
        ("x", ""),
    ],
)
def test_word_is_not_found_within_another_word(word: str, text: str) -> None:
    assert not contains_hidden_word([word], text)


@given(st.lists(st.text(max_size=8), max_size=4), st.text(max_size=40))
def test_any_words_and_text_are_accepted(words: list[str], text: str) -> None:
    assert contains_hidden_word(words, text) == any(contains_hidden_word([word], text) for word in words)


@given(st.text(alphabet=st.characters(categories=["Lu", "Ll"]), min_size=1, max_size=8))
def test_word_matches_itself_in_any_case(word: str) -> None:
    assert contains_hidden_word([word], word.casefold())
    assert contains_hidden_word([word.casefold()], f"({word})")

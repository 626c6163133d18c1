"""How edges are ordered: whatever comes first, the same facts end in the same graph."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stories_feed.domain.edges import EdgeChange, EdgeKey, EdgeSet, Kind
from stories_feed.testing.builders import NOON

FOLLOW, BLOCK = EdgeKey(Kind.FOLLOW, "ann", "bob"), EdgeKey(Kind.BLOCK, "ann", "bob")
CLOSE, MUTE = EdgeKey(Kind.CLOSE_FRIEND, "ann", "bob"), EdgeKey(Kind.MUTE, "ann", "bob")
SECOND = timedelta(seconds=1)


def graph(*facts: tuple[EdgeKey, bool, int]) -> EdgeSet:
    """What is known after these facts: an edge, on or off, at a second."""
    heard = EdgeSet({})
    for pair, on, second in facts:
        heard.hear(pair, EdgeChange(on, NOON + second * SECOND))
    return heard


pairs = st.sampled_from([each for pair in (FOLLOW, BLOCK, CLOSE, MUTE) for each in (pair, pair.back)])
facts = st.lists(st.tuples(pairs, st.booleans(), st.integers(0, 6)), max_size=12)


@given(facts, st.randoms(use_true_random=False))
def test_the_same_facts_in_any_order_end_in_the_same_graph(told, random) -> None:
    shuffled = list(told)
    random.shuffle(shuffled)
    first, second = graph(*told), graph(*shuffled)
    assert first.words == second.words
    assert {pair: first.stands(pair) for pair in first.words} == {pair: second.stands(pair) for pair in second.words}


@given(facts)
def test_a_repeated_fact_changes_nothing(told) -> None:
    again = EdgeSet(graph(*told).words.copy())
    for pair, on, second in told:
        again.hear(pair, EdgeChange(on, NOON + second * SECOND))
    assert again.changes() == []


@given(facts)
def test_what_is_written_is_what_is_known(told) -> None:
    known = graph(*told)
    written = {change.pair: change.stands for change in known.changes()}
    assert written == {pair: known.stands(pair) for pair in known.words}


@pytest.mark.parametrize(("pair", "wins"), [(FOLLOW, False), (BLOCK, True), (MUTE, True), (CLOSE, False)])
def test_at_the_same_time_the_one_that_shows_less_wins(pair, wins) -> None:
    assert graph((pair, True, 1), (pair, False, 1)).stands(pair) is wins
    assert graph((pair, False, 1), (pair, True, 1)).stands(pair) is wins


def test_a_block_takes_both_follows_and_both_close_friends_away() -> None:
    known = graph((FOLLOW, True, 1), (FOLLOW.back, True, 1), (CLOSE, True, 1), (CLOSE.back, True, 1), (BLOCK, True, 2))
    assert not any(known.stands(pair) for pair in BLOCK.ended)


def test_lifting_a_block_brings_nothing_back() -> None:
    known = graph((FOLLOW, True, 1), (BLOCK, True, 2), (BLOCK, False, 3))
    assert not known.stands(FOLLOW)


def test_a_follow_made_during_a_block_is_nothing_after_it() -> None:
    assert not graph((BLOCK, True, 1), (FOLLOW, True, 2), (BLOCK, False, 3)).stands(FOLLOW)


def test_a_follow_made_after_a_block_holds_even_if_it_is_heard_first() -> None:
    assert graph((FOLLOW, True, 4), (BLOCK, True, 1), (BLOCK, False, 3)).stands(FOLLOW)


def test_a_wish_is_later_than_all_that_is_known() -> None:
    known = graph((FOLLOW, True, 100))
    known.ask(FOLLOW, on=False, now=NOON)
    assert known.words[FOLLOW] == EdgeChange(False, NOON + 100 * SECOND + timedelta(milliseconds=1))


def test_wishing_for_what_is_so_changes_nothing() -> None:
    known = EdgeSet({FOLLOW: EdgeChange(True, NOON)})
    known.ask(FOLLOW, on=True, now=NOON + SECOND)
    known.ask(MUTE, on=False, now=NOON + SECOND)
    assert known.changes() == []


def test_following_while_a_block_stands_is_not_kept() -> None:
    known = EdgeSet({BLOCK.back: EdgeChange(True, NOON)})
    known.ask(FOLLOW, on=True, now=NOON + SECOND)
    assert known.changes() == []


def test_what_is_not_later_than_an_erasure_is_ignored() -> None:
    known = EdgeSet({}, {"bob": NOON + SECOND})
    known.hear(FOLLOW, EdgeChange(True, NOON + SECOND))
    assert known.changes() == []
    known.hear(FOLLOW, EdgeChange(True, NOON + 2 * SECOND))
    assert known.stands(FOLLOW)

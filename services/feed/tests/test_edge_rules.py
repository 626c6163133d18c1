"""The order of edge changes: the same events in any order end in the same graph."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stories_feed.domain.edges import EdgeChange, EdgeKey, EdgeSet, Kind
from stories_feed.testing.builders import NOON

FOLLOW, BLOCK = EdgeKey(Kind.FOLLOW, "ann", "bob"), EdgeKey(Kind.BLOCK, "ann", "bob")
CLOSE, MUTE = EdgeKey(Kind.CLOSE_FRIEND, "ann", "bob"), EdgeKey(Kind.MUTE, "ann", "bob")
HIDE = EdgeKey(Kind.HIDE, "ann", "bob")
SECOND = timedelta(seconds=1)


def graph(*changes: tuple[EdgeKey, bool, int]) -> EdgeSet:
    """The edges after these changes: an edge, on or off, at a second."""
    known = EdgeSet({})
    for key, on, second in changes:
        known.apply(key, EdgeChange(on, NOON + second * SECOND))
    return known


keys = st.sampled_from([each for key in (FOLLOW, BLOCK, CLOSE, MUTE, HIDE) for each in (key, key.reversed)])
changes = st.lists(st.tuples(keys, st.booleans(), st.integers(0, 6)), max_size=12)


@given(changes, st.randoms(use_true_random=False))
def test_the_same_events_in_any_order_end_in_the_same_graph(events, random) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)
    first, second = graph(*events), graph(*shuffled)
    assert first.latest == second.latest
    assert {key: first.in_force(key) for key in first.latest} == {key: second.in_force(key) for key in second.latest}


@given(changes)
def test_a_duplicate_event_changes_nothing(events) -> None:
    repeated = EdgeSet(graph(*events).latest.copy())
    for key, on, second in events:
        repeated.apply(key, EdgeChange(on, NOON + second * SECOND))
    assert repeated.changes() == []


@given(changes)
def test_changes_hold_every_edge_in_its_present_state(events) -> None:
    known = graph(*events)
    written = {change.key: change.in_force for change in known.changes()}
    assert written == {key: known.in_force(key) for key in known.latest}


@pytest.mark.parametrize(("key", "wins"), [(FOLLOW, False), (BLOCK, True), (MUTE, True), (CLOSE, False), (HIDE, True)])
def test_on_a_tie_the_change_that_shows_less_wins(key, wins) -> None:
    assert graph((key, True, 1), (key, False, 1)).in_force(key) is wins
    assert graph((key, False, 1), (key, True, 1)).in_force(key) is wins


def test_a_block_removes_both_follows_and_both_close_friends() -> None:
    known = graph(
        (FOLLOW, True, 1), (FOLLOW.reversed, True, 1), (CLOSE, True, 1), (CLOSE.reversed, True, 1), (BLOCK, True, 2)
    )
    assert not any(known.in_force(key) for key in BLOCK.removed_by_block)


def test_unblocking_restores_nothing() -> None:
    known = graph((FOLLOW, True, 1), (BLOCK, True, 2), (BLOCK, False, 3))
    assert not known.in_force(FOLLOW)


def test_a_follow_made_during_a_block_is_not_in_force_after_it() -> None:
    assert not graph((BLOCK, True, 1), (FOLLOW, True, 2), (BLOCK, False, 3)).in_force(FOLLOW)


def test_a_follow_after_a_block_is_in_force_even_if_consumed_first() -> None:
    assert graph((FOLLOW, True, 4), (BLOCK, True, 1), (BLOCK, False, 3)).in_force(FOLLOW)


def test_a_request_is_later_than_every_known_change() -> None:
    known = graph((FOLLOW, True, 100))
    known.request(FOLLOW, on=False, now=NOON)
    assert known.latest[FOLLOW] == EdgeChange(False, NOON + 100 * SECOND + timedelta(milliseconds=1))


def test_requesting_the_current_state_changes_nothing() -> None:
    known = EdgeSet({FOLLOW: EdgeChange(True, NOON)})
    known.request(FOLLOW, on=True, now=NOON + SECOND)
    known.request(MUTE, on=False, now=NOON + SECOND)
    assert known.changes() == []


def test_a_follow_requested_while_blocked_is_not_stored() -> None:
    known = EdgeSet({BLOCK.reversed: EdgeChange(True, NOON)})
    known.request(FOLLOW, on=True, now=NOON + SECOND)
    assert known.changes() == []


def test_a_change_not_later_than_an_erasure_is_ignored() -> None:
    known = EdgeSet({}, {"bob": NOON + SECOND})
    known.apply(FOLLOW, EdgeChange(True, NOON + SECOND))
    assert known.changes() == []
    known.apply(FOLLOW, EdgeChange(True, NOON + 2 * SECOND))
    assert known.in_force(FOLLOW)

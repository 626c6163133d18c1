"""The access state is the same for any order and repetition of events."""

import time
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stories_engagement.domain.access_state import (
    ENDED_RETENTION,
    ERASED_RETENTION,
    PRUNE_BATCH,
    AccessState,
    BlockState,
    LiveStory,
)
from stories_engagement.testing.builders import NOON
from stories_engagement.usecases.blocks import blocked

PEOPLE = ("ann", "bob", "eve")
people = st.sampled_from(PEOPLE)
times = st.integers(0, 5).map(lambda minutes: NOON + timedelta(minutes=minutes))
blocks = st.tuples(st.just("block"), people, people, st.builds(BlockState, st.booleans(), times))
erasures = st.tuples(st.just("erase"), people, times)
posts = st.tuples(st.just("post"), st.sampled_from("st"), st.integers(1, 3))
ends = st.tuples(st.just("end"), st.sampled_from("st"))


def live_story(revision: int) -> LiveStory:
    return LiveStory("ann", NOON + timedelta(hours=1), revision, revision, "everyone", True, True, True)


def state_after(records: list[tuple[object, ...]]) -> AccessState:
    access_state = AccessState()
    for kind, *rest in records:
        if kind == "post":
            access_state.post(rest[0], live_story(rest[1]))  # type: ignore[arg-type]
        elif kind == "end":
            access_state.end(rest[0], NOON)  # type: ignore[arg-type]
        else:
            getattr(access_state, str(kind))(*rest, NOON)
    return access_state


def seen(access_state: AccessState) -> tuple[object, ...]:
    blocks = [(user, blocked(user, access_state.block_states_of(user))) for user in PEOPLE]
    return (
        blocks,
        access_state.block_states((a, b) for a in PEOPLE for b in PEOPLE),
        [(s, access_state.has_ended(s, NOON), access_state.story(s, NOON)) for s in "st"],
    )


@given(st.data())
def test_events_commute_and_are_idempotent(data: st.DataObject) -> None:
    records = data.draw(st.lists(st.one_of(blocks, erasures, posts, ends), max_size=12))
    other = data.draw(st.permutations(records + records))
    assert seen(state_after(records)) == seen(state_after(other))


def test_block_applies_in_both_directions() -> None:
    states = state_after([("block", "ann", "bob", BlockState(True, NOON))]).block_states_of("bob")
    assert (blocked("ann", states), blocked("bob", states)) == ({"bob"}, {"ann"})


@pytest.mark.parametrize("words", [(True, False), (False, True)])
def test_simultaneous_block_wins_over_unblock_in_any_order(words: tuple[bool, bool]) -> None:
    access_state = state_after([("block", "a", "b", BlockState(on, NOON)) for on in words])
    assert blocked("a", access_state.block_states_of("a")) == {"b"}


def test_story_has_ended_after_its_expiry() -> None:
    access_state = state_after([("post", "s", 1)])
    assert access_state.story("s", NOON) == live_story(1)
    late = NOON + timedelta(hours=1)
    assert (access_state.has_ended("s", late), access_state.story("s", late), access_state.has_ended("t", late)) == (
        True,
        None,
        False,
    )


def test_prune_removes_outdated_entries() -> None:
    access_state = state_after(
        [("post", "s", 1), ("end", "t"), ("erase", "c", NOON), ("block", "a", "b", BlockState(True, NOON))]
    )
    access_state.prune(NOON + ERASED_RETENTION + timedelta(seconds=1))
    assert access_state.sizes() == {"stories": 1, "endings": 1, "blocks": 1, "erasures": 0}
    access_state.prune(NOON + ENDED_RETENTION + timedelta(hours=3))
    assert access_state.sizes() == {"stories": 0, "endings": 0, "blocks": 1, "erasures": 0}
    access_state.drop_stored(access_state.oldest_block_states(NOON + timedelta(minutes=1), 10))
    assert vars(access_state) == vars(AccessState())


def test_block_that_changes_during_comparison_is_kept() -> None:
    access_state = state_after([("block", "a", "b", BlockState(True, NOON))])
    assert access_state.oldest_block_states(NOON + timedelta(seconds=1), 10) == {}
    compared = access_state.oldest_block_states(NOON + timedelta(minutes=1), 10)
    lifted = BlockState(False, NOON + timedelta(minutes=1))
    access_state.block("a", "b", lifted, NOON + timedelta(minutes=1))
    access_state.drop_stored(compared)
    assert access_state.block_states_of("a") == {("a", "b"): lifted}
    access_state.defer_unstored([("a", "b")], NOON + timedelta(minutes=2))
    assert access_state.oldest_block_states(NOON + timedelta(minutes=2), 10) == {}


MANY = 100_000


def test_prune_and_erase_do_not_block_the_event_loop() -> None:
    access_state = AccessState()
    for n in range(MANY):
        access_state.post(f"s{n}", live_story(1))
        access_state.end(f"e{n}", NOON)
        access_state.block(f"u{n}", f"v{n}", BlockState(True, NOON), NOON)
    longest, steps, later = 0.0, 0, NOON + ENDED_RETENTION + timedelta(hours=3)
    more = True
    while more:
        began = time.thread_time()
        more, steps = access_state.prune(later), steps + 1
        longest = max(longest, time.thread_time() - began)
    began = time.thread_time()
    for n in range(1_000):
        access_state.erase(f"u{n}", NOON, NOON)
    erasing = time.thread_time() - began
    assert (longest < 0.05, erasing < 0.5) == (True, True), (longest, erasing)
    assert steps >= 2 * MANY / PRUNE_BATCH
    assert access_state.sizes() == {"stories": 0, "endings": 0, "blocks": MANY - 1_000, "erasures": 1_000}

"""What stands is the same in whatever order and however often its facts are heard."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stories_engagement.domain.standing import REMEMBER_ENDED, REMEMBER_UNBLOCKED, Edge, Known, Standing
from stories_engagement.testing.builders import NOON

PEOPLE = ("ann", "bob", "eve")
people = st.sampled_from(PEOPLE)
times = st.integers(0, 5).map(lambda minutes: NOON + timedelta(minutes=minutes))
blocks = st.tuples(st.just("block"), people, people, st.builds(Edge, st.booleans(), times))
erasures = st.tuples(st.just("erase"), people, times)
posts = st.tuples(st.just("post"), st.sampled_from("st"), st.integers(1, 3))
ends = st.tuples(st.just("end"), st.sampled_from("st"))


def known(revision: int) -> Known:
    return Known("ann", NOON + timedelta(hours=1), revision, revision, "everyone", True, True, True)


def told(facts: list[tuple[object, ...]]) -> Standing:
    standing = Standing()
    for kind, *rest in facts:
        if kind == "post":
            standing.post(rest[0], known(rest[1]))  # type: ignore[arg-type]
        elif kind == "end":
            standing.end(rest[0], NOON)  # type: ignore[arg-type]
        else:
            getattr(standing, str(kind))(*rest)
    return standing


def seen(standing: Standing) -> tuple[object, ...]:
    apart = {(a, b) for a in PEOPLE for b in PEOPLE if standing.apart(a, b)}
    avoids = {(a, b) for a in PEOPLE for b in standing.avoids(a)}
    return apart, avoids, [(s, standing.over(s, NOON), standing.story(s, NOON)) for s in "st"]


@given(st.data())
def test_order_and_repetition_do_not_matter(data: st.DataObject) -> None:
    facts = data.draw(st.lists(st.one_of(blocks, erasures, posts, ends), max_size=12))
    other = data.draw(st.permutations(facts + facts))
    assert seen(told(facts)) == seen(told(other))


def test_a_block_is_between_two_whoever_set_it() -> None:
    standing = told([("block", "ann", "bob", Edge(True, NOON))])
    assert standing.apart("ann", "bob")
    assert standing.apart("bob", "ann")
    assert not standing.apart("ann", "eve")
    assert standing.avoids("bob") == {"ann"}


@pytest.mark.parametrize("words", [(True, False), (False, True)])
def test_at_the_same_time_blocking_wins_in_whichever_order_it_is_heard(words) -> None:
    assert told([("block", "a", "b", Edge(on, NOON)) for on in words]).apart("a", "b")


def test_a_story_is_over_by_the_clock_too() -> None:
    standing = told([("post", "s", 1)])
    assert standing.story("s", NOON) == known(1)
    late = NOON + timedelta(hours=1)
    assert (standing.over("s", late), standing.story("s", late), standing.over("t", late)) == (True, None, False)


def test_what_can_no_longer_matter_is_forgotten() -> None:
    standing = told([("post", "s", 1), ("end", "t"), ("block", "a", "b", Edge(False, NOON)), ("erase", "c", NOON)])
    standing.prune(NOON + REMEMBER_ENDED + timedelta(hours=2))
    assert not standing.over("t", NOON)
    standing.prune(NOON + REMEMBER_UNBLOCKED + timedelta(hours=2))
    assert vars(standing) == vars(Standing())

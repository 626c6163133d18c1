"""Visibility, the order of rings in a tray, and lifetimes of URLs and tickets."""

from datetime import timedelta
from itertools import product, starmap

import pytest
from stories_feed.domain.live import AUDIENCES, NOBODY, LiveStory
from stories_feed.domain.ttl import TtlPolicy, has_time_left
from stories_feed.domain.visibility import ACCESS_RULES, Relation, may_comment, may_see, ring_of
from stories_feed.testing.builders import NOON

HOUR = timedelta(hours=1)
TTL_POLICY = TtlPolicy(ticket=HOUR, restricted=timedelta(minutes=5))


def story(number: int = 1, **fields) -> LiveStory:
    at = NOON + number * timedelta(minutes=1)
    return LiveStory(
        story_id=f"s{number}", author_id="ann", posted_at=at, expires_at=at + HOUR, seen_key=number, **fields
    )


@pytest.mark.parametrize(
    ("audience", "relation", "seen"),
    [
        ("everyone", Relation(), True),
        ("everyone", Relation(blocked=True), False),
        ("followers", Relation(), False),
        ("followers", Relation(follows=True), True),
        ("friends", Relation(follows=True), False),
        ("friends", Relation(follows=True, followed=True), True),
        ("close_friends", Relation(follows=True, followed=True), False),
        ("close_friends", Relation(close=True), True),
        ("close_friends", Relation(close=True, blocked=True), False),
        ("close_friends", Relation(own=True), True),
    ],
)
def test_each_audience_admits_the_right_viewers(audience, relation, seen) -> None:
    assert may_see("bob", relation, story(audience=audience)) is seen


def test_the_short_way_to_see_a_story_agrees_with_every_rule() -> None:
    for audience, hide_from, relation in product(
        AUDIENCES, (NOBODY, frozenset({"bob"}), frozenset({"cho"})), starmap(Relation, product((False, True), repeat=7))
    ):
        shown = story(audience=audience, hide_from=hide_from)
        passed = all(rule("bob", relation, shown) for rule in ACCESS_RULES.values())
        assert may_see("bob", relation, shown) is (relation.own or passed)


def test_a_hidden_user_may_not_see_a_story() -> None:
    assert not may_see("bob", Relation(follows=True), story(hide_from=frozenset({"bob"})))


def test_comments_for_friends_are_for_friends_and_the_author() -> None:
    assert may_comment(Relation(follows=True, followed=True), "friends")
    assert may_comment(Relation(own=True), "friends")
    assert not may_comment(Relation(follows=True), "friends")
    assert not may_comment(Relation(own=True), "nobody")


def test_a_ring_is_unseen_until_all_stories_are_seen() -> None:
    stories = [story(1), story(2)]
    assert ring_of("ann", stories, {1}).state == "unseen"
    assert ring_of("ann", stories, {1, 2}).state == "seen"
    assert ring_of("ann", [], set()) is None


def test_unseen_rings_rank_first_then_newer_ones() -> None:
    old, new = ring_of("old", [story(1)], set()), ring_of("new", [story(2)], set())
    seen = ring_of("seen", [story(3)], {3})
    assert sorted([seen, old, new], key=lambda ring: ring.rank) == [new, old, seen]


def test_urls_and_tickets_of_restricted_stories_live_five_minutes() -> None:
    assert TTL_POLICY.url_ttl("friends") == timedelta(minutes=5)
    assert TTL_POLICY.ticket_ttl("friends") == timedelta(minutes=5)


def test_a_cache_window_is_half_of_the_shortest_url_lifetime() -> None:
    assert TTL_POLICY.cache_window({"everyone"}, NOON) == TTL_POLICY.cache_window(
        {"everyone"}, NOON + timedelta(seconds=449)
    )
    assert TTL_POLICY.cache_window({"everyone"}, NOON) != TTL_POLICY.cache_window(
        {"everyone"}, NOON + timedelta(seconds=450)
    )
    assert TTL_POLICY.cache_window({"everyone", "friends"}, NOON) != TTL_POLICY.cache_window(
        {"everyone", "friends"}, NOON + timedelta(seconds=150)
    )


def test_a_story_with_less_than_a_second_left_is_not_shown() -> None:
    assert has_time_left(NOON + timedelta(seconds=1), NOON)
    assert not has_time_left(NOON + timedelta(milliseconds=999), NOON)

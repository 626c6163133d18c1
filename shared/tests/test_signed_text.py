"""Tickets and cursors: signed by us, for one person, one story or list, and a while."""

import hmac
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from stories_shared.auth.signed_text import BadSignature, Signer
from stories_shared.auth.tickets import Ticket, TicketRefused, Tickets, encoded
from stories_shared.clock import epoch_ms
from stories_shared.hmac_sha256 import hmac_sha256
from stories_shared.http.paging import Cursors, PageParams
from stories_shared.http.problems import Problem

NOW = datetime(2026, 11, 22, tzinfo=UTC)
OLD, NEW = ("2026-10", b"old secret of 32 characters ....."), ("2026-11", b"new secret of 32 characters .....")
TICKETS = Tickets([NEW, OLD])
TICKET = Ticket(
    viewer_id="ann",
    author_id="bob",
    story_id="01981d5a-7c00-7000-8000-000000000001",
    access_revision=3,
    ends_at=NOW + timedelta(hours=1),
    expires_at=NOW + timedelta(hours=23),
    comments="friends",
    friend=True,
    reactions=True,
    sharing=False,
    download=False,
    view_list=True,
    part=1,
    parts=1,
    series_id=None,
)
WHOLE = datetime(2020, 1, 1, tzinfo=UTC)
times = st.integers(0, 10**12).map(lambda ms: WHOLE + timedelta(milliseconds=ms))
tickets = st.builds(
    Ticket,
    viewer_id=st.text(min_size=1, max_size=128),
    author_id=st.text(min_size=1, max_size=128),
    story_id=st.uuids().map(str),
    access_revision=st.integers(0, 2**62),
    ends_at=times,
    expires_at=times,
    comments=st.sampled_from(["everyone", "friends", "nobody"]),
    friend=st.booleans(),
    follower=st.booleans(),
    reactions=st.booleans(),
    sharing=st.booleans(),
    download=st.booleans(),
    view_list=st.booleans(),
    part=st.integers(1, 10),
    parts=st.integers(1, 10),
    series_id=st.none() | st.uuids().map(str),
)


def refusal(text, viewer="ann", now=NOW, tickets=TICKETS, **more) -> str:
    with pytest.raises(TicketRefused) as refused:
        tickets.read(text, viewer, now, **more)
    return refused.value.reason


@given(tickets, st.text(min_size=1, max_size=128), times, st.tuples(st.booleans(), st.booleans()))
def test_ticket_signed_for_a_viewer_equals_the_whole_ticket(ticket, viewer_id, ends_at, relation):
    sign_for = TICKETS.of_story(ticket)
    follower, friend = relation
    whole = structs.replace(ticket, viewer_id=viewer_id, ends_at=ends_at, follower=follower, friend=friend)
    signed = sign_for(encoded(viewer_id), encoded(epoch_ms(ends_at)), follower, friend)
    assert signed.decode() == TICKETS.sign(whole)


@given(st.binary(max_size=150), st.binary(max_size=300))
def test_prepared_hmac_is_the_standard_librarys(key, message):
    assert hmac_sha256(key)(message) == hmac.digest(key, message, "sha256")


@given(tickets)
def test_ticket_round_trips(ticket):
    text = TICKETS.sign(ticket)
    assert TICKETS.read(text, ticket.viewer_id, ticket.ends_at - timedelta(milliseconds=1)) == ticket
    assert len(text) < 2048
    assert text.isascii()


def test_a_ticket_of_usual_ids_is_short():
    assert len(TICKETS.sign(TICKET)) < 200


@given(tickets, st.data())
def test_ticket_with_any_bit_flipped_is_rejected(ticket, data):
    text = bytearray(TICKETS.sign(ticket).encode())
    place = data.draw(st.integers(0, len(text) * 8 - 1))
    text[place // 8] ^= 1 << place % 8
    assert refusal(text.decode("latin-1"), ticket.viewer_id, ticket.ends_at - timedelta(hours=1)) in {
        "forged",
        "malformed",
    }


def test_every_bit_of_a_ticket_is_signed():
    text = TICKETS.sign(TICKET).encode()
    for place in range(len(text) * 8):
        flipped = bytearray(text)
        flipped[place // 8] ^= 1 << place % 8
        assert refusal(flipped.decode("latin-1")) in {"forged", "malformed"}


@given(st.text(max_size=3000) | st.binary(max_size=300).map(lambda raw: Signer([NEW], "ticket.1").sign(raw)))
def test_arbitrary_text_is_rejected_as_a_ticket(text):
    assert refusal(text) in {"missing", "malformed", "forged", "foreign", "ended"}


@pytest.mark.parametrize("text", [None, ""])
def test_empty_ticket_is_missing(text):
    assert refusal(text) == "missing"


def test_ticket_is_bound_to_viewer_and_story():
    text = TICKETS.sign(TICKET)
    assert TICKETS.read(text, "ann", NOW, story_id=TICKET.story_id) == TICKET
    assert refusal(text, "eve") == "foreign"
    assert refusal(text, story_id="01981d5a-7c00-7000-8000-000000000002") == "foreign"


def test_ticket_expires_unless_a_grace_period_is_given():
    text = TICKETS.sign(TICKET)
    assert refusal(text, now=TICKET.ends_at) == "ended"
    assert TICKETS.read(text, "ann", TICKET.ends_at + timedelta(hours=23), grace=timedelta(hours=24))
    assert refusal(text, now=TICKET.ends_at + timedelta(hours=24), grace=timedelta(hours=24)) == "ended"


def test_keys_rotate():
    before, after = Tickets([OLD]), Tickets([NEW])
    assert TICKETS.read(before.sign(TICKET), "ann", NOW) == TICKET
    assert after.read(TICKETS.sign(TICKET), "ann", NOW) == TICKET
    assert refusal(before.sign(TICKET), tickets=after) == "forged"
    renamed = Tickets([(OLD[0], NEW[1])])
    assert refusal(renamed.sign(TICKET), tickets=before) == "forged"


def test_times_are_cut_to_milliseconds():
    odd = structs.replace(TICKET, ends_at=NOW + timedelta(microseconds=1_000_999))
    assert TICKETS.read(TICKETS.sign(odd), "ann", NOW).ends_at == NOW + timedelta(milliseconds=1000)


@pytest.mark.parametrize("keys", [[], [("a.b", b"secret")], [("", b"secret")], [("é", b"secret")], [("a", b"")]])
def test_invalid_signing_keys_are_rejected_at_the_start(keys):
    with pytest.raises(ValueError, match="TICKET_KEYS"):
        Tickets(keys)


def test_signature_is_valid_for_one_purpose_only():
    signed = Signer([NEW], "cursor.1").sign(b"payload")
    with pytest.raises(BadSignature):
        Signer([NEW], "ticket.1").verify(signed)


@given(st.binary(max_size=500), st.binary(max_size=50), st.binary(max_size=50))
def test_signature_is_bound_to_its_context(payload, bound_to, other):
    signer = Signer([NEW], "test")
    signed = signer.sign(payload, bound_to)
    assert signer.verify(signed, bound_to) == payload
    if other != bound_to:
        with pytest.raises(BadSignature):
            signer.verify(signed, other)


CURSORS = Cursors([NEW, OLD])
Place = tuple[str, int]


def refused_cursor(route: str, user: str, cursor: str, shape: type = Place) -> Problem:
    with pytest.raises(Problem) as refused:
        CURSORS.decode(route, user, cursor, shape)
    return refused.value


@given(st.tuples(times, st.text(max_size=50), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.floats(0, 2**40)))
def test_cursor_round_trips_a_position(position):
    shape = tuple[datetime, str, int, bool, float]
    assert CURSORS.decode("tray", "ann", CURSORS.encode("tray", "ann", position), shape) == position


def test_cursor_is_bound_to_user_and_route():
    cursor = CURSORS.encode("tray", "ann", ("bob", 7))
    assert CURSORS.decode("tray", "ann", cursor, Place) == ("bob", 7)
    for problem in (
        refused_cursor("tray", "eve", cursor),
        refused_cursor("viewers", "ann", cursor),
        refused_cursor("tray", "ann", cursor[:-1]),
        refused_cursor("tray", "ann", cursor + "A"),
        refused_cursor("tray", "ann", ""),
        refused_cursor("tray", "ann", "a" * 3000),
        refused_cursor("tray", "ann", TICKETS.sign(TICKET)),
    ):
        assert problem.status == 422
        assert problem.errors[0]["loc"] == ["query", "cursor"]


@pytest.mark.parametrize("position", [(), ("bob",), ("bob", 7, 1), (7, "bob"), ("bob", None), "bob", None, {"a": 1}])
def test_position_of_another_type_is_rejected(position):
    assert refused_cursor("tray", "ann", CURSORS.encode("tray", "ann", position)).status == 422


@pytest.mark.parametrize("payload", [["bob", 7], [0, ["bob", 7]], [2, ["bob", 7]], 1, [1]])
def test_position_of_another_version_is_rejected(payload):
    signed = CURSORS.signer.sign(msgspec.msgpack.encode(payload), b"tray\nann")
    assert refused_cursor("tray", "ann", signed).status == 422


@given(st.text(max_size=200))
def test_arbitrary_text_is_rejected_as_a_cursor(text):
    assert refused_cursor("tray", "ann", text).slug == "invalid"


def test_first_page_has_no_position():
    assert CURSORS.position("tray", "ann", PageParams(), Place) is None
    page = PageParams(20, CURSORS.encode("tray", "ann", ("bob", 7)))
    assert CURSORS.position("tray", "ann", page, Place) == ("bob", 7)


def test_a_page_is_cut_before_the_item_that_begins_the_next():
    cursors, page = Cursors([NEW, OLD]), PageParams(limit=2)
    assert cursors.cut("list", "ann", page, ["a", "b"], lambda item: [item]) == (["a", "b"], None)
    items, cursor = cursors.cut("list", "ann", page, ["a", "b", "c"], lambda item: [item])
    assert items == ["a", "b"]
    assert cursors.position("list", "ann", PageParams(2, cursor), tuple[str]) == ("b",)

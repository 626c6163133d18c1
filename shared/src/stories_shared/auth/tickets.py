"""Tickets: the proof, issued with a story, that this viewer may see it (see docs/decisions).

A ticket is valid only together with its viewer's token. It carries what engagement needs while it has not consumed the
story's event.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from stories_shared.auth.signed_text import BadSignature, Key, Signer
from stories_shared.clock import epoch_ms, from_epoch_ms
from stories_shared.events import CommentsFrom

NO_GRACE = timedelta(0)
Refusal = Literal["missing", "malformed", "forged", "foreign", "ended"]


class TicketRefused(Exception):
    """An invalid ticket; ``reason`` is for the metric, the caller gets 404."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason)
        self.reason: Refusal = reason


class Ticket(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who may see which story until when, and what they may do. Times are aware UTC, in whole milliseconds."""

    viewer_id: str
    author_id: str
    story_id: str
    access_revision: int
    ends_at: datetime
    """The ticket's end."""
    expires_at: datetime
    """The story's end."""
    comments: CommentsFrom
    friend: bool
    """Viewer and author follow each other."""
    follower: bool = False
    """The viewer follows the author."""
    reactions: bool
    sharing: bool
    download: bool
    view_list: bool
    part: int
    parts: int
    series_id: str | None


class WireTicket(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The encoded ticket: fields by position, booleans as bits."""

    viewer_id: str
    author_id: str
    story_id: str
    access_revision: int
    ends_ms: int
    expires_ms: int
    comments: CommentsFrom
    flags: int
    part: int
    parts: int
    series_id: str | None


ENCODER = msgspec.msgpack.Encoder()
FIELDS = bytes([0x90 + len(WireTicket.__struct_fields__)])  # the head of a MessagePack array of so many
DECODER = msgspec.msgpack.Decoder(WireTicket)
FRIEND, REACTIONS, SHARING, DOWNLOAD, VIEW_LIST, FOLLOWER = (1 << bit for bit in range(6))

SignFor = Callable[[bytes, bytes, bool, bool], bytes]
"""Signs a story's ticket for a viewer until an end, both `encoded`: whether they follow the author, and each other."""
encoded = ENCODER.encode
"""A viewer's id, or the end of a ticket in milliseconds, as `SignFor` takes it."""


class Tickets:
    """Signs and verifies tickets. The first key signs, all keys verify."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self.signer = Signer(keys, "ticket.1")

    def sign(self, ticket: Ticket) -> str:
        """The ticket as a string of about 250 characters for the header ``Story-Ticket``."""
        return self.signer.sign(ENCODER.encode(to_wire(ticket)))

    def of_story(self, ticket: Ticket) -> SignFor:
        """What signs this ticket for other viewers, ends and relations: the rest is encoded once, not for each."""
        wire = to_wire(ticket)
        encode, sign = ENCODER.encode, self.signer.sign_as_bytes
        story = b"".join(map(encode, (wire.author_id, wire.story_id, wire.access_revision)))
        ends = b"".join(map(encode, (wire.expires_ms, wire.comments)))
        part = b"".join(map(encode, (wire.part, wire.parts, wire.series_id)))
        flags = [
            [ends + encode(wire.flags & ~(FRIEND | FOLLOWER) | friend | follower) + part for friend in (0, FRIEND)]
            for follower in (0, FOLLOWER)
        ]

        def sign_for(viewer_id: bytes, ends_ms: bytes, follower: bool, friend: bool) -> bytes:
            return sign(FIELDS + viewer_id + story + ends_ms + flags[follower][friend])

        return sign_for

    def read(
        self,
        text: str | None,
        viewer_id: str,
        now: datetime,
        grace: timedelta = NO_GRACE,
        story_id: str | None = None,
    ) -> Ticket:
        """The ticket, if it is signed, this viewer's, this story's (if given) and not expired longer than ``grace``.

        Raises TicketRefused.
        """
        if not text:
            raise TicketRefused("missing")
        try:
            ticket = from_wire(DECODER.decode(self.signer.verify(text)))
        except BadSignature as error:
            raise TicketRefused("forged" if error.reason == "forged" else "malformed") from error
        except (msgspec.MsgspecError, OverflowError, ValueError) as error:
            raise TicketRefused("malformed") from error
        if ticket.viewer_id != viewer_id or story_id not in {None, ticket.story_id}:
            raise TicketRefused("foreign")
        if now >= ticket.ends_at + grace:
            raise TicketRefused("ended")
        return ticket


def to_wire(ticket: Ticket) -> WireTicket:
    return WireTicket(
        ticket.viewer_id,
        ticket.author_id,
        ticket.story_id,
        ticket.access_revision,
        epoch_ms(ticket.ends_at),
        epoch_ms(ticket.expires_at),
        ticket.comments,
        FRIEND * ticket.friend
        | REACTIONS * ticket.reactions
        | SHARING * ticket.sharing
        | DOWNLOAD * ticket.download
        | VIEW_LIST * ticket.view_list
        | FOLLOWER * ticket.follower,
        ticket.part,
        ticket.parts,
        ticket.series_id,
    )


def from_wire(wire: WireTicket) -> Ticket:
    flags = wire.flags
    return Ticket(
        viewer_id=wire.viewer_id,
        author_id=wire.author_id,
        story_id=wire.story_id,
        access_revision=wire.access_revision,
        ends_at=from_epoch_ms(wire.ends_ms),
        expires_at=from_epoch_ms(wire.expires_ms),
        comments=wire.comments,
        part=wire.part,
        parts=wire.parts,
        series_id=wire.series_id,
        friend=bool(flags & FRIEND),
        reactions=bool(flags & REACTIONS),
        sharing=bool(flags & SHARING),
        download=bool(flags & DOWNLOAD),
        view_list=bool(flags & VIEW_LIST),
        follower=bool(flags & FOLLOWER),
    )

"""Access control: checks a ticket against the access state of this replica."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from stories_shared.auth.tickets import Ticket, TicketRefused
from stories_shared.clock import Clock

from stories_engagement.domain.access_state import AccessState, LiveStory
from stories_engagement.domain.answers import AnswerableLayer
from stories_engagement.domain.errors import AccessDenied, ReplicaStale
from stories_engagement.usecases.blocks import FindBlocked

TICKET_READ_GRACE = timedelta(days=30)
"""How long after its expiry a ticket is still decoded, to tell `ended` from `expired`."""


ReadTicket = Callable[[str | None, str, datetime, timedelta], Ticket]
"""Decodes the ticket of a user at a time, also for a grace period after its end. Raises `TicketRefused`."""


class Freshness(Protocol):
    """Whether this replica is up to date about a story and users."""

    def is_stale(self, story_id: str, *user_ids: str) -> bool: ...


def require_fresh(freshness: Freshness, story_id: str, *user_ids: str) -> None:
    """Raises `ReplicaStale` where this replica is not up to date about them."""
    if freshness.is_stale(story_id, *user_ids):
        raise ReplicaStale(story_id)


@dataclass(frozen=True, slots=True)
class StoryAccess:
    """What a user may do with a story now. `friend`: author and caller follow each other."""

    story_id: str
    user_id: str
    author_id: str
    comments: str
    friend: bool
    reactions: bool
    sharing: bool
    view_list: bool
    layers: tuple[AnswerableLayer, ...] | None = None
    """Its stickers that can be answered; None while the story is unknown here."""

    @property
    def is_author(self) -> bool:
        return self.user_id == self.author_id


@dataclass(frozen=True, slots=True)
class CheckAccess:
    """Checks access to stories. Authors need no ticket. The ticket alone decides while the story is unknown here.

    Raises:
        AccessDenied: with the reason for the metric; for most of them clients get a plain 404.
        ReplicaStale: this replica has fallen behind.
    """

    read_ticket: ReadTicket
    access_state: AccessState
    blocks: FindBlocked
    freshness: Freshness
    now: Clock

    async def __call__(self, user_id: str, story_id: str, text: str | None) -> StoryAccess:
        """Check access for everything but views. A ticket of an older access revision is refused."""
        now = self.now()
        known = self.access_state.story(story_id, now)
        if known is not None and known.author_id == user_id:
            require_fresh(self.freshness, story_id, user_id)
            return access_to(story_id, user_id, known, friend=True)
        if text is None:
            if known is None:
                require_fresh(self.freshness, story_id, user_id)  # it may be the caller's own story, not consumed yet
            raise AccessDenied("ended" if self.access_state.has_ended(story_id, now) else "missing")
        ticket = self.ticket(user_id, text, story_id)
        if await self.blocks.among(user_id, [ticket.author_id]):
            raise AccessDenied("blocked")
        now = self.now()  # the look-up took time, in which the story may have changed or ended
        if self.access_state.has_ended(ticket.story_id, now):
            raise AccessDenied("ended")
        require_fresh(self.freshness, ticket.story_id, user_id, ticket.author_id)
        known = self.access_state.story(story_id, now)
        if known is None:
            return access_to(story_id, user_id, ticket, friend=ticket.friend or user_id == ticket.author_id)
        if ticket.access_revision < known.access_revision:
            raise AccessDenied("revision")
        return access_to(story_id, user_id, known, friend=ticket.friend)

    def author(self, user_id: str, story_id: str) -> StoryAccess:
        """The access to what is for the author alone; without a ticket, so that others learn nothing."""
        known = self.access_state.story(story_id, self.now())
        require_fresh(self.freshness, story_id, user_id)
        if known is None or known.author_id != user_id:
            raise AccessDenied("author")
        return access_to(story_id, user_id, known, friend=True)

    def ticket(self, user_id: str, text: str, story_id: str | None = None) -> Ticket:
        """The ticket, if it is valid for this caller, of this story if given, which is live. Does not check blocks."""
        now = self.now()
        try:
            ticket = self.read_ticket(text, user_id, now, TICKET_READ_GRACE)
        except TicketRefused as refused:
            raise AccessDenied(refused.reason) from refused
        if ticket.expires_at <= now or self.access_state.has_ended(ticket.story_id, now):
            raise AccessDenied("ended")
        if story_id not in {None, ticket.story_id}:
            raise AccessDenied("story")
        if ticket.ends_at <= now:
            known = self.access_state.story(ticket.story_id, now)
            revoked = known is not None and ticket.access_revision < known.access_revision
            raise AccessDenied("revision" if revoked else "expired")
        require_fresh(self.freshness, ticket.story_id, user_id, ticket.author_id)
        return ticket


def access_to(story_id: str, user_id: str, story: LiveStory | Ticket, *, friend: bool) -> StoryAccess:
    """The access to a story, as it is known here or, while it is not, as its ticket describes it."""
    return StoryAccess(
        story_id=story_id,
        user_id=user_id,
        author_id=story.author_id,
        comments=story.comments,
        friend=friend,
        reactions=story.reactions,
        sharing=story.sharing,
        view_list=story.view_list,
        layers=story.layers if isinstance(story, LiveStory) else None,
    )

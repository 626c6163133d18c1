"""Dependencies of several routes."""

from typing import Annotated

from fastapi import Header

StoryTicket = Annotated[
    str | None,
    Header(description="the ticket that came with the story; not needed by its author", alias="Story-Ticket"),
]

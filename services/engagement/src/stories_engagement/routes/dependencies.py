"""What several routes depend on."""

from datetime import datetime
from typing import Annotated

from fastapi import Header
from pydantic import PlainSerializer, WithJsonSchema
from stories_shared.clock import rfc3339

StoryTicket = Annotated[
    str | None,
    Header(description="the ticket that came with the story; not needed by its author", alias="Story-Ticket"),
]

Moment = Annotated[
    datetime, PlainSerializer(rfc3339, return_type=str), WithJsonSchema({"type": "string", "format": "date-time"})
]
"""A time in a response."""

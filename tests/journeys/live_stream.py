"""Reads the server-sent events of `GET /v1/live`."""

import json
from collections.abc import AsyncIterator

import httpx

Event = tuple[str, dict[str, str]]
"""Kind and data of a message."""


class LiveStream:
    """The events of a response as they arrive, and the last id."""

    def __init__(self, answer: httpx.Response) -> None:
        self._messages = messages(answer.aiter_lines())
        self.last_id = ""

    async def __aiter__(self) -> AsyncIterator[Event]:
        async for last_id, event in self._messages:
            self.last_id = last_id or self.last_id
            if event is not None:
                yield event


async def messages(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str | None, Event | None]]:
    """The id and event of each complete message; one that breaks off is none."""
    fields: dict[str, str] = {}
    async for line in lines:
        name, _, value = line.partition(": ")
        if line and not line.startswith(":"):
            fields[name] = value
        elif not line and fields:
            event = (fields["event"], json.loads(fields["data"])) if "data" in fields else None
            yield fields.get("id"), event
            fields = {}

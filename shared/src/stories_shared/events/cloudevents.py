"""Kafka records to facts and back: CloudEvents 1.0 in binary and structured mode, and bare JSON.

A header that is null or no UTF-8 counts as absent: outsiders write headers, and none of them may stop a partition.
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Generic, TypeVar

import msgspec
from aiokafka import ConsumerRecord

from stories_shared.clock import from_epoch_ms, rfc3339
from stories_shared.events import Event, bounded_time

E = TypeVar("E", bound=Event)
SERVICES = ("ingest", "feed", "engagement", "expiry")
INTERNAL_SOURCES = frozenset(f"/stories/{service}" for service in SERVICES)
MAX_ID = 256
HEADERS = frozenset({"ce_source", "ce_id", "ce_type", "ce_time", "content-type"})
STRUCTURED = "application/cloudevents+json"


class DecodeError(Exception):
    """A record that no reading makes an event of; ``args[0]`` says why."""


@dataclass(frozen=True, slots=True)
class ReceivedEvent(Generic[E]):
    """An event together with where it came from.

    ``said_at`` is what its source states, ``appended_at`` when the broker took it; both are aware UTC. ``ours`` says
    that one of the four services claims it, which is as true as the topic's access list.
    """

    event: E
    key: bytes | None
    topic: str
    partition: int
    offset: int
    source: str | None
    id: str | None
    produced_at: datetime | None
    appended_at: datetime

    @property
    def is_internal(self) -> bool:
        """Whether it names one of the four services as its source."""
        return self.source in INTERNAL_SOURCES

    @property
    def identity(self) -> str:
        """The same at every redelivery: source and id where both are given, else topic, partition and offset."""
        if self.source and self.id:
            return f"{self.source}#{self.id}"
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A record without value: whatever had this key is erased."""

    topic: str
    key: str
    partition: int
    offset: int


class Envelope(msgspec.Struct):
    """A CloudEvent in structured mode."""

    specversion: str
    id: str
    source: str
    type: str
    data: msgspec.Raw = msgspec.Raw(b"")
    data_base64: str | None = None
    time: datetime | None = None


@cache
def decoder(event: type[Event]) -> msgspec.json.Decoder[Any]:
    """The decoder of one event type; it checks every bound."""
    return msgspec.json.Decoder(event)


envelope_decoder = msgspec.json.Decoder(Envelope)


def decoded_headers(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """The headers that are used here, by lower-case name, as far as they are readable."""
    texts: dict[str, str] = {}
    for name, value in headers or ():
        if isinstance(name, str) and isinstance(value, bytes) and (known := name.lower()) in HEADERS:
            try:
                texts[known] = value.decode()
            except UnicodeDecodeError:
                continue
    return texts


def data_of(envelope: Envelope) -> bytes:
    """What a structured event tells: JSON as it stands, or bytes in base64.

    Raises:
        ValueError: both, none, or no base64.
    """
    data = bytes(envelope.data)
    if bool(data) == (envelope.data_base64 is not None):
        raise ValueError("a structured event has either data or data_base64")
    return data if envelope.data_base64 is None else base64.b64decode(envelope.data_base64, validate=True)


def decode_record(record: ConsumerRecord[Any, Any], event: type[E], topic: str | None = None) -> ReceivedEvent[E]:
    """Read one record with a value as a fact of the given type.

    Args:
        record: as aiokafka hands it out, value and headers raw.
        event: the type that this topic carries.
        topic: its name without prefix, by default the event's own.

    Raises:
        Unreadable: bad JSON, bad shape, out of bounds, or another type of ours.
    """
    headers = decoded_headers(record.headers)
    value = record.value
    if value[:1] == b"\0":  # a schema registry's frame: magic byte and a schema id of four bytes
        value = value[5:]
    source, event_id, kind = headers.get("ce_source"), headers.get("ce_id"), headers.get("ce_type")
    said_at = read_time(headers.get("ce_time"))
    structured = headers.get("content-type", "").lower().startswith(STRUCTURED)
    try:
        if structured:
            envelope = envelope_decoder.decode(value)
            source, event_id, kind, value = envelope.source, envelope.id, envelope.type, data_of(envelope)
            said_at = bounded_time(envelope.time) if envelope.time and envelope.time.tzinfo else None
        if kind and kind.startswith("stories.") and kind != event.ce_type():
            raise DecodeError(f"a record of type {kind[:100]} on the topic of {event.ce_type()}")
        told: E = decoder(event).decode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
        why = f"{type(error).__name__}: {error}"
        if not structured and is_envelope(value):
            why = f"a structured event needs the header content-type: {STRUCTURED}"
        raise DecodeError(why[:1000]) from error
    return ReceivedEvent(
        event=told,
        key=record.key,
        topic=topic or event.topic,
        partition=record.partition,
        offset=record.offset,
        source=source if source and len(source) <= MAX_ID else None,
        id=event_id if event_id and len(event_id) <= MAX_ID else None,
        produced_at=said_at,
        appended_at=from_epoch_ms(record.timestamp),
    )


def is_envelope(value: bytes) -> bool:
    """Whether bytes are a CloudEvent in structured mode."""
    try:
        envelope_decoder.decode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return True


def read_time(value: str | None) -> datetime | None:
    """A header's time, or None where it is absent or not one."""
    if not value:
        return None
    try:
        at = datetime.fromisoformat(value)
        return bounded_time(at) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None


def headers_of(event: Event, source: str, event_id: str, at: datetime) -> list[tuple[str, bytes]]:
    """The binary-mode headers under which a fact is said."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id.encode()),
        ("ce_source", source.encode()),
        ("ce_type", event.ce_type().encode()),
        ("ce_time", rfc3339(at.astimezone(UTC)).encode()),
        ("ce_subject", event.key.encode()),
        ("content-type", b"application/json"),
    ]

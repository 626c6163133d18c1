"""Decodes Kafka records to events and encodes headers: CloudEvents 1.0 in binary and structured mode, and bare JSON.

A header that is null or not UTF-8 counts as absent: outside producers write headers too, and none may stop a partition.
"""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args

import msgspec

from stories_shared.clock import from_epoch_ms, rfc3339
from stories_shared.events import Event, Service, bounded_time
from stories_shared.tracing import valid_traceparent

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord

E = TypeVar("E", bound=Event)
SERVICES: tuple[str, ...] = get_args(Service)
INTERNAL_SOURCES = frozenset(f"/stories/{service}" for service in SERVICES)
MAX_ID = 256
HEADERS = frozenset({"ce_source", "ce_id", "ce_type", "ce_time", "content-type", "traceparent"})
UNREAD = frozenset({"ce_specversion", "ce_dataschema", "ce_subject"})
"""Headers of our own events that nobody reads."""
STRUCTURED = "application/cloudevents+json"
JSON = "application/json"
SHARED = 5
"""How many headers the events of one type and source have in common."""


class DecodeError(Exception):
    """A record cannot be decoded to an event; ``args[0]`` is the reason."""


class ReceivedEvent(msgspec.Struct, Generic[E], frozen=True, gc=False):
    """An event with its origin.

    ``produced_at`` is stated by its source, ``appended_at`` by the broker; both are aware UTC. Only ACLs make
    ``is_internal`` trustworthy.
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
    traceparent: str | None = None
    """The trace that it belongs to, as W3C Trace Context."""

    @property
    def is_internal(self) -> bool:
        """Whether it names one of the four services as its source."""
        return self.source in INTERNAL_SOURCES

    @property
    def identity(self) -> str:
        """Stable across redeliveries: source and id if both are given, else topic, partition and offset."""
        if self.source and self.id:
            return f"{self.source}#{self.id}"
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A record without a value: the records of its key are deleted."""

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
    """The decoder of an event type; it validates every bound."""
    return msgspec.json.Decoder(event)


@cache
def type_of(event: type[Event]) -> str:
    """The CloudEvents type of an event type."""
    return event.ce_type()


envelope_decoder = msgspec.json.Decoder(Envelope)


def decoded_headers(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """The known headers by lower-case name, without unreadable ones."""
    texts: dict[str, str] = {}
    for name, value in headers:
        if name in UNREAD or not isinstance(name, str) or not isinstance(value, bytes):
            continue
        known = name if name in HEADERS else name.lower()
        if known in HEADERS:
            try:
                texts[known] = value.decode()
            except UnicodeDecodeError:
                continue
    return texts


class HeaderDecoder:
    """Decodes headers, and the first ones only if they differ from the last record's.

    Those do not differ between the events of one type and source, see ``headers_of``.
    """

    def __init__(self) -> None:
        self._last: tuple[Sequence[tuple[str, bytes | None]], dict[str, str]] = (), {}

    def __call__(self, headers: Sequence[tuple[str, bytes | None]]) -> dict[str, str]:
        """The known headers by lower-case name, without unreadable ones."""
        first, known = self._last
        if headers[:SHARED] != first:
            first = headers[:SHARED]
            known = decoded_headers(first)
            self._last = first, known
        return known | decoded_headers(headers[SHARED:])


decode_headers = HeaderDecoder()


def data_of(envelope: Envelope) -> bytes:
    """The data of a structured event: JSON, or decoded base64.

    Raises:
        ValueError: both, none, or no base64.
    """
    data = bytes(envelope.data)
    if bool(data) == (envelope.data_base64 is not None):
        raise ValueError("a structured event has either data or data_base64")
    return data if envelope.data_base64 is None else base64.b64decode(envelope.data_base64, validate=True)


def decode_record(record: "ConsumerRecord[Any, Any]", event: type[E]) -> ReceivedEvent[E]:
    """Decode a record with a value to an event of the given type.

    Args:
        record: from aiokafka, value and headers raw.
        event: the event type of the topic.

    Raises:
        DecodeError: invalid JSON, wrong shape, out of bounds, or another type of ours.
    """
    headers = decode_headers(record.headers or ())
    value = record.value
    if value[:1] == b"\0":  # a schema registry's frame: magic byte and a schema id of four bytes
        value = value[5:]
    source, event_id, kind = headers.get("ce_source"), headers.get("ce_id"), headers.get("ce_type")
    produced_at = read_time(headers.get("ce_time"))
    content_type = headers.get("content-type", JSON)
    structured = content_type != JSON and content_type.lower().startswith(STRUCTURED)
    try:
        if structured:
            envelope = envelope_decoder.decode(value)
            source, event_id, kind, value = envelope.source, envelope.id, envelope.type, data_of(envelope)
            produced_at = bounded_time(envelope.time) if envelope.time and envelope.time.tzinfo else None
        if kind and kind != type_of(event) and kind.startswith("stories."):
            raise DecodeError(f"a record of type {kind[:100]} on the topic of {event.ce_type()}")
        decoded: E = decoder(event).decode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
        reason = f"{type(error).__name__}: {error}"
        if not structured and is_envelope(value):
            reason = f"a structured event needs the header content-type: {STRUCTURED}"
        raise DecodeError(reason[:1000]) from error
    traceparent = headers.get("traceparent")
    return ReceivedEvent(  # by position, which takes half as long as by name
        decoded,
        record.key,
        event.topic,
        record.partition,
        record.offset,
        source if source and len(source) <= MAX_ID else None,
        event_id if event_id and len(event_id) <= MAX_ID else None,
        produced_at,
        time_of(record.timestamp),
        valid_traceparent(traceparent) if traceparent else None,
    )


def is_envelope(value: bytes) -> bool:
    """Whether bytes are a CloudEvent in structured mode."""
    try:
        envelope_decoder.decode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return True


@lru_cache(maxsize=1_024)
def read_time(value: str | None) -> datetime | None:
    """A header's time, or None if it is absent or invalid."""
    if not value:
        return None
    try:
        at = datetime.fromisoformat(value)
        return bounded_time(at) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None


time_of = lru_cache(maxsize=4_096)(from_epoch_ms)


def headers_of(event: Event, source: str, event_id: str, at: datetime) -> list[tuple[str, bytes]]:
    """The binary-mode headers of an event."""
    return [
        *shared_headers(type(event), source),
        time_header(at),
        ("ce_id", event_id.encode()),
        ("ce_subject", event.key.encode()),
    ]


@lru_cache(maxsize=256)
def shared_headers(event: type[Event], source: str) -> list[tuple[str, bytes]]:
    """What all events of one type and source have in common."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_source", source.encode()),
        ("ce_type", event.ce_type().encode()),
        ("ce_dataschema", event.dataschema().encode()),
        ("content-type", JSON.encode()),
    ]


@lru_cache(maxsize=256)
def time_header(at: datetime) -> tuple[str, bytes]:
    """The header of a time, which the events that are published together share."""
    return "ce_time", rfc3339(at.astimezone(UTC)).encode()

"""Dead letters: records that cannot be handled, kept with their origin on ``<topic>.<service>.dlq``."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from stories_shared.clock import rfc3339
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.publisher import ProducerRecord

Record: TypeAlias = Any
"""An aiokafka ``ConsumerRecord`` with raw key, value and headers."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record to dead-letter, and why; ``bug`` is the unexpected error, if any."""

    record: Record
    reason: str
    error: str
    bug: BaseException | None = None


def dead_letter_record(dead_letter: DeadLetter, group: str, kafka: Kafka, now: datetime) -> ProducerRecord:
    """The record for ``<topic>.<service>.dlq``: raw bytes, key and readable headers, with its origin."""
    record, (service, _, _) = dead_letter.record, kafka.plain(group).partition(".")
    headers = dead_letter_headers(record, group, dead_letter.reason, dead_letter.error, now)
    return ProducerRecord(f"{record.topic}.{service}.dlq", record.key, record.value, headers)


def dead_letter_headers(
    record: Any, group: str, error_type: str, error: str, now: datetime
) -> tuple[tuple[str, bytes], ...]:
    """The headers with a dead-lettered record's origin and error, followed by its own readable headers."""
    own = [(name, value) for name, value in record.headers or () if isinstance(name, str) and isinstance(value, bytes)]
    return (
        ("origin-topic", record.topic.encode()),
        ("origin-partition", str(record.partition).encode()),
        ("origin-offset", str(record.offset).encode()),
        ("origin-group", group.encode()),
        ("dead-lettered-at", rfc3339(now).encode()),
        ("error-type", error_type.encode()),
        ("error", error.encode()[:1024].decode(errors="ignore").encode()),
        *own,
    )

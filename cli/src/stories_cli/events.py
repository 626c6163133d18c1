"""`stories produce`, and how a command says events as an outside producer."""

import asyncio
import json
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata
from stories_shared.cloudevents import headers_of
from stories_shared.events import EVENTS, Event, encode
from stories_shared.ids import new_id
from stories_shared.kafka import Kafka

from . import clients, target
from .console import USAGE, abort, exit_on, info
from .target import DEFAULT_DATA, Data, EnvFile

SOURCE = "/stories-cli"
AT_ONCE = 5_000
MOST_COMPLAINTS = 20


class Wrong(Exception):
    """A line that is no event; ``args[0]`` says why."""


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(produce)


def produce(
    event: Annotated[str, typer.Argument(metavar="EVENT", help="The event's name, such as user-followed.")],
    document: Annotated[str, typer.Argument(metavar="JSON|-", help="Its fields; -: a line each from standard input.")],
    check: Annotated[bool, typer.Option("--check", help="Only check; send nothing.")] = False,
    data: Data = DEFAULT_DATA,
    env_file: EnvFile = None,
) -> None:
    """Say an event, with key and headers filled in; prints topic, partition and offset."""
    kind = EVENTS.get(event)
    if kind is None:
        abort(f"no such event: {event}; there are {', '.join(EVENTS)}", USAGE)
    complaints: list[str] = []
    events = read_all(kind, sys.stdin if document == "-" else [document], complaints)
    if check:
        checked = sum(1 for _ in events)
        info(f"{checked} {'is' if checked == 1 else 'are'} as {event} should be")
    else:
        kafka, _ = clients.kafka(target.settings(data, env_file))
        with exit_on(KafkaError):
            asyncio.run(_produce(kafka, events))
    if complaints:
        abort("; ".join(complaints[:MOST_COMPLAINTS]))


async def _produce(kafka: Kafka, events: Iterator[Event]) -> None:
    async with producing(kafka) as producer:
        async for sent in send(kafka, producer, events):
            print(f"{sent.topic} {sent.partition} {sent.offset}", flush=True)


def read_all(kind: type[Event], lines: Iterable[str], complaints: list[str]) -> Iterator[Event]:
    """The event that each line is; blank ones are skipped, what is none is complained about."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield read(kind, line)
            except Wrong as wrong:
                complaints.append(f"line {number}: {wrong}")


def read(kind: type[Event], line: str) -> Event:
    """The event that a JSON text is; its story_id or user_id is the key.

    Raises Wrong.
    """
    try:
        document: Any = json.loads(line)
        told: Event = msgspec.json.decode(line, type=kind)
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise Wrong(str(error)) from error
    unknown = sorted(document.keys() - {field.encode_name for field in msgspec.structs.fields(kind)})
    if unknown:
        info(f"{kind.topic} has no field {', '.join(unknown)}: consumers will ignore it")
    return told


@asynccontextmanager
async def producing(kafka: Kafka) -> AsyncIterator[AIOKafkaProducer]:
    """A producer for one command; ends the command where no broker answers."""
    producer = AIOKafkaProducer(**kafka.arguments, acks="all", enable_idempotence=kafka.idempotent, linger_ms=5)
    try:
        await producer.start()
    except (KafkaError, OSError) as error:
        await producer.stop()
        abort(f"Kafka does not answer at {kafka.bootstrap}: {error}")
    try:
        yield producer
    finally:
        await producer.stop()


async def send(kafka: Kafka, producer: AIOKafkaProducer, events: Iterable[Event]) -> AsyncIterator[RecordMetadata]:
    """Send many at a time, in order; where each went, once it is acknowledged."""
    waiting: deque[asyncio.Future[RecordMetadata]] = deque()
    for event in events:
        headers = headers_of(event, SOURCE, new_id(), datetime.now(UTC))
        topic = kafka.topic(event.topic)
        waiting.append(await producer.send(topic, encode(event), event.key.encode(), headers=headers))
        if len(waiting) == AT_ONCE:
            yield await waiting.popleft()
    for sent in waiting:
        yield await sent

"""`stories events`: publish events as an external producer, and watch topics."""

import asyncio
import json
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata
from stories_shared.clock import from_epoch_ms, rfc3339
from stories_shared.events import EVENTS, Event, encode
from stories_shared.events.cloudevents import headers_of
from stories_shared.events.ids import new_id
from stories_shared.kafka.client import Kafka

from . import clients, target
from .console import USAGE, AsJsonLines, abort, exit_on, info, one_of, print_json_line, stdout
from .kafka_reader import Record, open_reader
from .target import DEFAULT_DATA, Data, EnvFile

SOURCE = "/stories-cli"
MAX_IN_FLIGHT = 5_000
MAX_ERRORS_SHOWN = 20


class InvalidEvent(Exception):
    """A line that is not a valid event; ``args[0]`` is the reason."""


group = typer.Typer(no_args_is_help=True, help="Publish events and watch topics.")
EventName = Annotated[
    str,
    typer.Argument(
        metavar="EVENT", help="Name of the event, such as user-followed.", autocompletion=one_of(lambda: [*EVENTS])
    ),
]


@group.command()
def produce(
    event: EventName,
    document: Annotated[
        str,
        typer.Argument(metavar="JSON|-", help="Fields of the event; - reads one event per line from standard input."),
    ],
    check: Annotated[bool, typer.Option("--check", help="Check the fields and publish nothing.")] = False,
    data: Data = DEFAULT_DATA,
    env_file: EnvFile = None,
    as_json: AsJsonLines = False,
) -> None:
    """Publish an event with its key and headers filled in, and print topic, partition and offset."""
    kind = EVENTS.get(event)
    if kind is None:
        abort(f"no such event: {event}; there are {', '.join(EVENTS)}", USAGE)
    errors: list[str] = []
    events = read_all(kind, sys.stdin if document == "-" else [document], errors)
    if check:
        checked = sum(1 for _ in events)
        info(f"{checked} valid {event}")
    else:
        kafka, _ = clients.kafka(target.settings(data, env_file))
        with exit_on(KafkaError):
            asyncio.run(_produce(kafka, events, as_json=as_json))
    if errors:
        abort("; ".join(errors[:MAX_ERRORS_SHOWN]))


async def _produce(kafka: Kafka, events: Iterator[Event], *, as_json: bool) -> None:
    async with producing(kafka) as producer:
        async for sent in send(kafka, producer, events):
            if as_json:
                print_json_line({"topic": sent.topic, "partition": sent.partition, "offset": sent.offset})
            else:
                print(f"{sent.topic} {sent.partition} {sent.offset}", flush=True)


@group.command()
def tail(
    topics: Annotated[
        list[str],
        typer.Argument(metavar="TOPIC", help="Topics, without prefix.", autocompletion=one_of(lambda: [*EVENTS])),
    ],
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Start with the oldest record; by default with the next one.")
    ] = False,
    until_end: Annotated[
        bool, typer.Option("--until-end", help="Stop at the current end of the topics instead of at Ctrl-C.")
    ] = False,
    data: Data = DEFAULT_DATA,
    env_file: EnvFile = None,
    as_json: AsJsonLines = False,
) -> None:
    """Print the records of topics as they arrive, until Ctrl-C. It joins no consumer group."""
    kafka, known = clients.kafka(target.settings(data, env_file))
    if unknown := [topic for topic in topics if topic not in known]:
        abort(f"no such topic: {', '.join(unknown)}; there are {', '.join(known)}", USAGE)
    with exit_on(KafkaError), suppress(KeyboardInterrupt):
        asyncio.run(_tail(kafka, topics, from_beginning=from_beginning, until_end=until_end, as_json=as_json))


async def _tail(kafka: Kafka, topics: Sequence[str], *, from_beginning: bool, until_end: bool, as_json: bool) -> None:
    async with open_reader(kafka) as reader:
        async for records in reader.follow(topics, from_beginning=from_beginning, until_end=until_end):
            for record in records:
                _print_record(kafka.plain(record.topic), record, as_json=as_json)


def _print_record(topic: str, record: Record, *, as_json: bool) -> None:
    key, value = (None if part is None else part.decode(errors="replace") for part in (record.key, record.value))
    at = rfc3339(from_epoch_ms(record.timestamp))
    if not as_json:
        stdout.print(
            f"{at} {topic} {record.partition}:{record.offset} {key or '-'} {value or 'tombstone'}", markup=False
        )
        return
    place = {"topic": topic, "partition": record.partition, "offset": record.offset, "at": at}
    headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers or ()}
    print_json_line({**place, "key": key, "headers": headers, "value": value})


def read_all(kind: type[Event], lines: Iterable[str], errors: list[str]) -> Iterator[Event]:
    """The event of each line; blank lines are skipped, invalid ones are added to `errors`."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield read(kind, line)
            except InvalidEvent as invalid:
                errors.append(f"line {number}: {invalid}")


def read(kind: type[Event], line: str) -> Event:
    """Decode an event from JSON; its story_id or user_id is the key.

    Raises InvalidEvent.
    """
    try:
        document: Any = json.loads(line)
        event: Event = msgspec.json.decode(line, type=kind)
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise InvalidEvent(str(error)) from error
    unknown = sorted(document.keys() - {field.encode_name for field in msgspec.structs.fields(kind)})
    if unknown:
        info(f"{kind.topic} has no field {', '.join(unknown)}: consumers will ignore it")
    return event


@asynccontextmanager
async def producing(kafka: Kafka) -> AsyncIterator[AIOKafkaProducer]:
    """A producer for one command. Ends the command if no broker answers."""
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
    """Publish many events concurrently, in order; yields the metadata of each acknowledged record."""
    waiting: deque[asyncio.Future[RecordMetadata]] = deque()
    for event in events:
        headers = headers_of(event, SOURCE, new_id(), datetime.now(UTC))
        topic = kafka.topic(event.topic)
        waiting.append(await producer.send(topic, encode(event), event.key.encode(), headers=headers))
        if len(waiting) == MAX_IN_FLIGHT:
            yield await waiting.popleft()
    for sent in waiting:
        yield await sent

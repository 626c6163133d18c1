"""`stories dlq`: lists, shows and replays dead-lettered records."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Annotated, Any

import typer
from aiokafka.errors import KafkaError
from rich.table import Table
from stories_shared.clock import from_epoch_ms, rfc3339
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.publisher import ProducerRecord, Publisher
from stories_shared.kafka.topics import Topic, Topics

from . import clients, target
from .console import USAGE, AsJson, abort, exit_on, info, one_of, print_json, print_table, stdout
from .kafka_reader import Record, TopicReader, open_reader
from .progress import counting
from .target import DEFAULT_DATA, Data, EnvFile

DEAD_LETTER_HEADERS = (
    "origin-topic",
    "origin-partition",
    "origin-offset",
    "origin-group",
    "dead-lettered-at",
    "error-type",
    "error",
)
BATCH_SIZE = 500
SHOWN_BYTES = 2_000

group = typer.Typer(no_args_is_help=True, help="List, show and replay dead-lettered records.")


def _names(place: int) -> list[str]:
    dead_letter_topics = (each for each in Topics.of([timedelta(hours=24)]).values() if each.dead_letters_of)
    return sorted({names_of(each)[place] for each in dead_letter_topics})


def _origins() -> list[str]:
    return _names(0)


def _groups() -> list[str]:
    return _names(1)


TopicName = Annotated[
    str,
    typer.Argument(
        metavar="TOPIC", help="Topic the records came from, such as story-viewed.", autocompletion=one_of(_origins)
    ),
]
GroupName = Annotated[
    str,
    typer.Argument(
        metavar="GROUP",
        help="Consumer group that could not handle them, such as engagement.story-viewed.",
        autocompletion=one_of(_groups),
    ),
]
Offset = Annotated[
    str | None,
    typer.Option("--offset", metavar="P:N", help="Only the record with this partition and offset in its origin topic."),
]


@group.command("list")
def list_(
    topic: Annotated[
        str | None,
        typer.Argument(metavar="TOPIC", help="Only of this origin topic.", autocompletion=one_of(_origins)),
    ] = None,
    group_name: Annotated[
        str | None,
        typer.Argument(metavar="GROUP", help="Only of this consumer group.", autocompletion=one_of(_groups)),
    ] = None,
    data: Data = DEFAULT_DATA,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Count dead-lettered records by origin topic, consumer group and reason."""
    kafka, topics = clients.kafka(target.settings(data, env_file))
    with exit_on(KafkaError):
        found = asyncio.run(_list(kafka, chosen(topics, topic, group_name)))
    if as_json:
        print_json(found)
        return
    table = Table("topic", "group", "records", "reasons", "oldest", "newest", box=None, pad_edge=False)
    for row in found:
        reasons = ", ".join(f"{reason} {number}" for reason, number in row["reasons"].items())
        table.add_row(row["topic"], row["group"], str(row["records"]), reasons, row["oldest"], row["newest"])
    if found:
        print_table(table)
    else:
        info("no dead-lettered records")


async def _list(kafka: Kafka, topics: Sequence[Topic]) -> list[dict[str, Any]]:
    found: dict[str, list[Record]] = {}
    async with open_reader(kafka) as log:
        async for record in distinct(log, *topics):
            found.setdefault(kafka.plain(record.topic), []).append(record)
    return [row_of(topic, found[topic.name]) for topic in topics if topic.name in found]


def row_of(topic: Topic, records: Sequence[Record]) -> dict[str, Any]:
    """One line of the list."""
    reasons: dict[str, int] = {}
    for record in records:
        reason = dead_letter_headers(record).get("error-type", "unknown")
        reasons[reason] = reasons.get(reason, 0) + 1
    times = [rfc3339(from_epoch_ms(record.timestamp)) for record in records]
    origin, reader = names_of(topic)
    row = {"topic": origin, "group": reader, "records": len(records), "reasons": reasons}
    return row | {"oldest": min(times), "newest": max(times)}


@group.command()
def show(
    topic: TopicName,
    group_name: GroupName,
    offset: Offset = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many records, the newest ones.")] = 20,
    data: Data = DEFAULT_DATA,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Show dead-lettered records: origin, reason, key and value. Values over 2,000 bytes are cut."""
    kafka, topics = clients.kafka(target.settings(data, env_file))
    (from_topic,) = chosen(topics, topic, group_name)
    with exit_on(KafkaError):
        found = asyncio.run(_show(kafka, from_topic, offset))[-limit:]
    if as_json:
        print_json(found)
        return
    for each in found:
        head = f"{each['error_type']}, {each['dead_lettered_at']}, key {each['key']}"
        stdout.print(f"[bold]{each['offset']}[/bold] {head}", markup=True)
        stdout.print(f"  {each['error']}\n  {each['value']}", markup=False)
    if not found:
        info("no dead-lettered records")


async def _show(kafka: Kafka, topic: Topic, offset: str | None) -> list[dict[str, str | None]]:
    async with open_reader(kafka) as log:
        found = [record async for record in distinct(log, topic)]
    return [described(topic, record) for record in found if offset in {None, origin_of(record)}]


@group.command()
def replay(
    topic: TopicName,
    group_name: GroupName,
    everything: Annotated[bool, typer.Option("--all", help="Replay every record that is there.")] = False,
    offset: Offset = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be sent, and send nothing.")] = False,
    data: Data = DEFAULT_DATA,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Send dead-lettered records once to the topic they came from.

    Every consumer group of the topic receives them; all of them are idempotent.
    """
    if everything == (offset is not None):
        abort("give either --all or --offset P:N", USAGE)
    kafka, topics = clients.kafka(target.settings(data, env_file))
    (from_topic,) = chosen(topics, topic, group_name)
    with exit_on(KafkaError):
        found = asyncio.run(_replay(kafka, from_topic, offset, dry_run=dry_run))
    if as_json:
        print_json([{"topic": topic, "offset": each} for each in found])
    else:
        for each in found:
            print(f"{topic} {each}")
    if offset and not found:
        abort(f"no record of {topic} at {offset} is dead-lettered there")
    info(f"{len(found)} {'would be ' if dry_run else ''}sent")


async def _replay(kafka: Kafka, topic: Topic, offset: str | None, *, dry_run: bool) -> list[str]:
    async with open_reader(kafka) as log:
        records = [record async for record in distinct(log, topic) if offset in {None, origin_of(record)}]
    if dry_run:
        return [origin_of(record) for record in records]
    origin = kafka.topic(names_of(topic)[0])
    publisher = Publisher(kafka, "cli")
    await publisher.start()
    try:
        with counting("sending", len(records)) as advance:
            for start in range(0, len(records), BATCH_SIZE):
                part = records[start : start + BATCH_SIZE]
                await publisher.send(
                    [ProducerRecord(origin, record.key, record.value, own_headers(record)) for record in part]
                )
                advance(len(part))
    finally:
        await publisher.stop()
    return [origin_of(record) for record in records]


def chosen(topics: Topics, topic: str | None, group_name: str | None) -> list[Topic]:
    """The dead-letter topics of an origin and a consumer (its group or its service); all by default."""
    dead_letter_topics = [each for each in topics.values() if each.dead_letters_of is not None]
    found = [
        each
        for each in dead_letter_topics
        if topic in {None, names_of(each)[0]}
        and group_name in {None, names_of(each)[1], names_of(each)[1].split(".")[0]}
    ]
    if not found:
        known = ", ".join(" ".join(names_of(each)) for each in dead_letter_topics if topic in {None, names_of(each)[0]})
        abort(f"no group {group_name or ''} dead-letters records of {topic}; there are {known or 'none'}", USAGE)
    return found


def names_of(topic: Topic) -> tuple[str, str]:
    """The origin topic and the group of a dead-letter topic."""
    origin, service = topic.dead_letters_of or ("", "")
    return origin, f"{service}.{origin}"


async def distinct(log: TopicReader, *topics: Topic) -> AsyncIterator[Record]:
    """The records of dead-letter topics, each origin once: a crash may have written duplicates."""
    seen: set[tuple[str, str]] = set()
    async for records in log.read(*(topic.name for topic in topics)):
        for record in records:
            if (origin := (record.topic, origin_of(record))) not in seen:
                seen.add(origin)
                yield record


def dead_letter_headers(record: Record) -> dict[str, str]:
    """The headers that dead-lettering added in front; later ones of the same names are the record's own."""
    found: dict[str, str] = {}
    for name, value in (record.headers or ())[: len(DEAD_LETTER_HEADERS)]:
        if name in DEAD_LETTER_HEADERS and value is not None:
            found.setdefault(name, value.decode(errors="replace"))
    return found


def own_headers(record: Record) -> tuple[tuple[str, bytes], ...]:
    """The headers of the original record, its event id included."""
    return tuple(
        (name, value) for name, value in (record.headers or ())[len(DEAD_LETTER_HEADERS) :] if value is not None
    )


def origin_of(record: Record) -> str:
    """P:N, the partition and offset in the origin topic."""
    headers = dead_letter_headers(record)
    return f"{headers.get('origin-partition', '?')}:{headers.get('origin-offset', '?')}"


def described(topic: Topic, record: Record) -> dict[str, str | None]:
    """The record for output; long values are truncated. `offset` is P:N, as in the origin topic."""
    headers, (origin, reader) = dead_letter_headers(record), names_of(topic)
    return {
        "topic": origin,
        "group": reader,
        "offset": origin_of(record),
        "dead_lettered_at": headers.get("dead-lettered-at", rfc3339(from_epoch_ms(record.timestamp))),
        "error_type": headers.get("error-type", "unknown"),
        "error": headers.get("error", ""),
        "key": record.key.decode(errors="replace") if record.key is not None else None,
        "value": record.value[:SHOWN_BYTES].decode(errors="replace") if record.value is not None else None,
    }

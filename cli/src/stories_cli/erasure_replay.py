"""`stories erase-again`: what ended since a backup ends again, so that a restored database brings nothing back."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

import typer
from aiokafka.errors import KafkaError
from stories_shared.events import EVENTS, StoryDeleted, StoryExpired, UserEdge, UserErased
from stories_shared.failures import Unavailable
from stories_shared.kafka import Kafka
from stories_shared.publishing import Message, Publisher
from stories_shared.tailing import committed_offsets
from stories_shared.topics import Topics

from . import clients, target
from .console import USAGE, abort, exit_on, stderr
from .kafka_reader import Record, TopicReader, open_reader
from .progress import counting
from .target import DEFAULT_DATA, Data, EnvFile

ENDINGS = (StoryExpired.topic, StoryDeleted.topic, UserErased.topic)
EDGES = tuple(name for name, event in EVENTS.items() if issubclass(event, UserEdge))
AT_ONCE = 500
POLL_SECONDS = 0.3


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("erase-again")(erase_again)


def erase_again(
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="RFC 3339, such as 2026-11-22T08:00:00Z.")],
    wait: Annotated[
        bool, typer.Option("--wait", help="Return once every service has handled all of it: before it takes traffic.")
    ] = False,
    data: Data = DEFAULT_DATA,
    env_file: EnvFile = None,
) -> None:
    """Say every ending since a time again, so that what a restored backup brought back is erased again.

    What users decided about each other since then (blocks above all) is said again, too. Everything is read from the
    topics, which keep it for seven days: a backup that is older cannot be mended so. Run it while the services run on
    what was restored and before the gateway does; `--since` is when the backup began.
    """
    try:
        start = datetime.fromisoformat(since)
    except ValueError:
        abort(f"--since: {since!r} is no RFC 3339 time", USAGE)
    settings = target.settings(data, env_file)
    with exit_on(KafkaError, Unavailable):
        utc = start.astimezone(UTC) if start.tzinfo else start.replace(tzinfo=UTC)
        said = asyncio.run(_erase_again(settings, utc, wait=wait))
    for topic, number in sorted(said.items()):
        print(f"{topic} {number}")


async def _erase_again(settings: dict[str, str], since: datetime, *, wait: bool) -> dict[str, int]:
    kafka, topics = clients.kafka(settings)
    publisher = Publisher(kafka, "expiry")
    await publisher.start()
    try:
        async with open_reader(kafka) as log:
            said = await say_again(log, publisher, since)
            if wait:
                await heard(log, kafka, topics, said)
            return said
    finally:
        await publisher.stop()


async def say_again(log: TopicReader, publisher: Publisher, since: datetime) -> dict[str, int]:
    """Send each fact once more, as it was; how many of each topic."""
    said: dict[str, int] = {}
    known: set[int] = set()
    with counting("saying again", None) as advance:
        async for records in log.read(*ENDINGS, *EDGES, since=since):
            messages = [message(record) for record in records if fresh(record, known)]
            for start in range(0, len(messages), AT_ONCE):
                await publisher.send(messages[start : start + AT_ONCE])
            if messages:
                topic = log.kafka.plain(records[0].topic)
                said[topic] = said.get(topic, 0) + len(messages)
                advance(len(messages))
    return said


def message(record: Record) -> Message:
    """A record as it came."""
    headers = tuple((name, value) for name, value in record.headers or () if value is not None)
    return Message(record.topic, record.key, record.value, headers)


def fresh(record: Record, known: set[int]) -> bool:
    """Whether this fact was not met yet: endings are said until every store has answered."""
    if record.value is None:
        return False
    identity = dict(record.headers or ()).get("ce_id") or record.value
    mark = hash((record.topic, record.key, identity))
    met = mark in known
    known.add(mark)
    return not met


async def heard(log: TopicReader, kafka: Kafka, topics: Topics, said: Iterable[str]) -> None:
    """Wait until every service has handled these topics up to where they end now."""
    groups = {f"{reader}.{topic}": topic for topic in said for reader in topics[topic].readers}
    ends = await log.ends(said)
    with stderr.status("waiting") as status:
        while groups:
            left = {group: topic for group, topic in groups.items() if await behind(kafka, group, topic, ends)}
            status.update(f"waiting for {', '.join(sorted(left))}")
            if groups := left:
                await asyncio.sleep(POLL_SECONDS)


async def behind(kafka: Kafka, group: str, topic: str, ends: dict[tuple[str, int], int]) -> bool:
    """Whether a group has yet to handle something before these ends."""
    reached = await committed_offsets(kafka, {group: topic})
    return any(reached.get(each, 0) < end for each, end in ends.items() if each[0] == topic and end)

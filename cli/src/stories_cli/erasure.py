"""Commands about erasure: verify-erasure, erase-again."""

import asyncio
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from aiokafka.errors import KafkaError
from minio.error import MinioException
from pymongo.errors import PyMongoError
from rich.table import Table
from stories_shared.clock import text
from stories_shared.events import StoryDeleted, StoryExpired, UserErased
from stories_shared.ids import is_id
from stories_shared.publishing import Message, Publisher
from urllib3.exceptions import HTTPError

from . import reach, traces, where
from .log import Log, reading
from .progress import counting
from .traces import Traces
from .where import DEFAULT_DATA, Data, EnvFile
from .words import FAILED, USAGE, fail, failing_with, listing, say, words

ENDINGS = (StoryExpired, StoryDeleted, UserErased)
AT_ONCE = 500


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command("verify-erasure")(verify_erasure)
    app.command("erase-again")(erase_again)


def verify_erasure(
    story_id: Annotated[str, typer.Argument(metavar="STORY_ID")],
    data: Data = DEFAULT_DATA,
    env_file: EnvFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Look for a story in every database, the bucket and the topics; exit code 1 where more than ids is left.

    What topics hold goes by itself; the listing says when at the latest.
    """
    if not is_id(story_id):
        fail(f"{story_id!r} is no story's id", USAGE)
    with failing_with(PyMongoError, MinioException, HTTPError, KafkaError):
        found = look(data, env_file, story_id)
    if as_json:
        print(json.dumps(asdict(found) | {"erased": found.erased}, indent=1, default=text))
    else:
        show(found)
    if not found.erased:
        raise typer.Exit(FAILED)


def look(data: Path, env_file: Path | None, story_id: str) -> Traces:
    """Search databases, bucket and topics."""
    settings = where.settings(data, env_file)
    stack = where.running(data) if env_file is None else None
    found = Traces(story_id)
    databases = traces.database_names(stack.services if stack else {})
    with reach.mongo(settings) as client:
        size = sum(client[name].command("dbstats")["objects"] for name in databases.values())
        with words.status(f"reading {int(size):,} documents, the bucket and the topics"):
            found.documents = list(traces.in_databases(client, databases, story_id))
    found.objects, found.uploads = traces.in_bucket(settings, story_id)
    found.topics = asyncio.run(_in_topics(settings, story_id))
    return found


async def _in_topics(settings: dict[str, str], story_id: str) -> list[traces.InTopic]:
    kafka, topics = reach.kafka(settings)
    async with reading(kafka) as log:
        return await traces.in_topics(log, topics, story_id)


def show(found: Traces) -> None:
    """For people."""
    table = Table("where", "what", "left", box=None, pad_edge=False)
    for document in found.documents:
        left = ", ".join(document.content) or "ids, times and counts"
        table.add_row(f"{document.service} database", f"{document.collection} {document.document}", left)
    for key in found.objects:
        table.add_row("bucket", key, "an object")
    for key in found.uploads:
        table.add_row("bucket", key, "an unfinished upload")
    for topic in found.topics:
        kind = f"{topic.telling} with content or a viewer" if topic.telling else "ids, times and counts"
        table.add_row("topic", topic.topic, f"{topic.records} of its records, {kind}, gone by {text(topic.gone_by)}")
    listing(table)
    verdict = "hold nothing of it but ids, times and counts" if found.erased else "still hold something of it"
    say(f"databases and bucket {verdict}")


def erase_again(
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="RFC 3339, such as 2026-11-22T08:00:00Z.")],
    data: Data = DEFAULT_DATA,
    env_file: EnvFile = None,
) -> None:
    """Say every ending since a time again, so that what a restored backup brought back is erased again.

    The endings are read from the topics, which keep them for seven days: a backup that is older cannot be mended so.
    Run it once the services run on what was restored; `--since` is when the backup was made.
    """
    try:
        start = datetime.fromisoformat(since)
    except ValueError:
        fail(f"--since: {since!r} is no RFC 3339 time", USAGE)
    settings = where.settings(data, env_file)
    with failing_with(KafkaError, PyMongoError):
        said = asyncio.run(_erase_again(settings, start.astimezone(UTC) if start.tzinfo else start.replace(tzinfo=UTC)))
    for topic, number in sorted(said.items()):
        print(f"{topic} {number}")


async def _erase_again(settings: dict[str, str], since: datetime) -> dict[str, int]:
    kafka, _ = reach.kafka(settings)
    publisher = Publisher(kafka, "expiry")
    await publisher.start()
    try:
        async with reading(kafka) as log:
            return await say_again(log, publisher, since)
    finally:
        await publisher.stop()


async def say_again(log: Log, publisher: Publisher, since: datetime) -> dict[str, int]:
    """Send each ending once more, as it was; how many of each topic."""
    endings: dict[tuple[str, bytes | None, Any], Message] = {}
    async for records in log.read(*(event.topic for event in ENDINGS), since=since):
        for record in records:
            if record.value is not None:
                headers = tuple((name, value) for name, value in record.headers or () if value is not None)
                key = (log.kafka.plain(record.topic), record.key, dict(headers).get("ce_id"))
                endings[key] = Message(record.topic, record.key, record.value, headers)
    said: dict[str, int] = {}
    messages = list(endings.items())
    with counting("saying endings again", len(messages)) as advance:
        for start in range(0, len(messages), AT_ONCE):
            part = messages[start : start + AT_ONCE]
            await publisher.send([message for _, message in part])
            for (topic, _, _), _ in part:
                said[topic] = said.get(topic, 0) + 1
            advance(len(part))
    return said

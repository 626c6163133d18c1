"""`stories erasure`: verify an erasure, replay endings since a backup, count open receipts."""

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import httpx
import typer
from aiokafka.errors import KafkaError
from minio.error import MinioException
from pymongo.errors import PyMongoError
from rich.table import Table
from stories_shared.clock import rfc3339
from stories_shared.errors import Unavailable
from stories_shared.events.ids import is_id
from urllib3.exceptions import HTTPError

from . import clients, erasure_replay, erasure_scan, target
from .api import Url, client, problem_of
from .console import FAILED, USAGE, AsJson, abort, exit_on, info, print_json, print_table, stderr
from .erasure_scan import ScanResult
from .kafka_reader import open_reader
from .target import DEFAULT_DATA, Data, EnvFile
from .tokens import SigningKey

group = typer.Typer(no_args_is_help=True, help="Prove, repeat and watch the erasure of stories.")


@group.command()
def verify(
    story_id: Annotated[str, typer.Argument(metavar="STORY_ID", help="Id of a story that has ended.")],
    data: Data = DEFAULT_DATA,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Search every database, the bucket and the topics for a story. Exits with 1 if more is left than may remain.

    What may remain is a list of fields per collection: ids, times and counts. Records in topics expire by themselves;
    the output says when at the latest.
    """
    if not is_id(story_id):
        abort(f"{story_id!r} is not the id of a story", USAGE)
    with exit_on(PyMongoError, MinioException, HTTPError, KafkaError):
        found = scan(data, env_file, story_id)
    if as_json:
        print_json(asdict(found) | {"erased": found.erased, "archived": found.archived})
    else:
        show(found)
    if not found.erased:
        raise typer.Exit(FAILED)


def scan(data: Path, env_file: Path | None, story_id: str) -> ScanResult:
    """Search databases, bucket and topics."""
    settings = target.settings(data, env_file)
    stack = target.running(data) if env_file is None else None
    found = ScanResult(story_id)
    databases = erasure_scan.database_names(stack.services if stack else {})
    with clients.mongo(settings) as mongo:
        size = sum(mongo[name].command("dbstats")["objects"] for name in databases.values())
        with stderr.status(f"reading {int(size):,} documents, the bucket and the topics"):
            found.documents = list(erasure_scan.in_databases(mongo, databases, story_id))
    found.objects, found.uploads = erasure_scan.in_bucket(settings, story_id)
    found.topics = asyncio.run(_in_topics(settings, story_id))
    return found


async def _in_topics(settings: dict[str, str], story_id: str) -> list[erasure_scan.InTopic]:
    kafka, topics = clients.kafka(settings)
    async with open_reader(kafka) as log:
        return await erasure_scan.in_topics(log, topics, story_id)


def show(found: ScanResult) -> None:
    """Print the result as a table and a verdict."""
    table = Table("where", "what", "left", box=None, pad_edge=False)
    for document in found.documents:
        left = "kept by its author" if document.kept else ", ".join(document.content) or "ids, times and counts"
        table.add_row(f"{document.service} database", f"{document.collection} {document.document}", left)
    for key in found.objects:
        table.add_row("bucket", key, "an object")
    for key in found.uploads:
        table.add_row("bucket", key, "an unfinished upload")
    for topic in found.topics:
        kind = f"{topic.with_content} with content or a viewer" if topic.with_content else "ids, times and counts"
        table.add_row("topic", topic.topic, f"{topic.records} records, {kind}, gone by {rfc3339(topic.gone_by)}")
    print_table(table)
    verdict = "keep only ids, times and counts of it" if found.erased else "still contain data of it"
    info(f"databases and bucket {verdict}")
    if found.archived:
        info("its author's archive keeps it, readable to its author alone unless it is in a highlight")


@group.command()
def replay(
    since: Annotated[
        str,
        typer.Option("--since", metavar="TIME", help="When the backup began (RFC 3339), such as 2026-11-22T08:00:00Z."),
    ],
    wait: Annotated[bool, typer.Option("--wait", help="Return once every service has handled all of it.")] = False,
    data: Data = DEFAULT_DATA,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Publish every ending since a time again, so that what a restored backup brought back is erased again.

    What users decided about each other since then (blocks above all) is published again, too. Everything is read from
    the topics, which keep it for seven days, so a backup must be younger. Run it while the services run on the restored
    databases and before the gateway does.
    """
    try:
        start = datetime.fromisoformat(since)
    except ValueError:
        abort(f"--since: {since!r} is not an RFC 3339 time", USAGE)
    settings = target.settings(data, env_file)
    with exit_on(KafkaError, Unavailable):
        utc = start.astimezone(UTC) if start.tzinfo else start.replace(tzinfo=UTC)
        published = asyncio.run(erasure_replay.replay_endings(settings, utc, wait=wait))
    if as_json:
        print_json(dict(sorted(published.items())))
        return
    for topic, number in sorted(published.items()):
        print(f"{topic} {number}")


@group.command()
def status(
    url: Url = None,
    signing_key: SigningKey = None,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Count the receipts that are still open, by the store that has yet to erase, and the age of the oldest."""
    with exit_on(httpx.HTTPError, httpx.InvalidURL), client(data, "operator", url, signing_key, admin=True) as http:
        response = http.get("/v1/admin/erasure")
    if not response.is_success:
        abort(problem_of(response))
    found = response.json()
    if as_json:
        print_json(found)
        return
    for store, number in found["open"].items():
        print(f"{store:<12} {number}")
    print(f"{'oldest':<12} {found['oldest_s']:.0f} s")

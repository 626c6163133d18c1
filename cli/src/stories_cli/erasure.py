"""`stories verify-erasure`: whether a story is gone."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from aiokafka.errors import KafkaError
from minio.error import MinioException
from pymongo.errors import PyMongoError
from rich.table import Table
from stories_shared.clock import text
from stories_shared.ids import is_id
from urllib3.exceptions import HTTPError

from . import clients, erasure_scan, target
from .console import FAILED, USAGE, abort, exit_on, info, print_table, stderr
from .erasure_scan import ScanResult
from .kafka_reader import open_reader
from .target import DEFAULT_DATA, Data, EnvFile


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("verify-erasure")(verify_erasure)


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
        abort(f"{story_id!r} is no story's id", USAGE)
    with exit_on(PyMongoError, MinioException, HTTPError, KafkaError):
        found = look(data, env_file, story_id)
    if as_json:
        print(json.dumps(asdict(found) | {"erased": found.erased}, indent=1, default=text))
    else:
        show(found)
    if not found.erased:
        raise typer.Exit(FAILED)


def look(data: Path, env_file: Path | None, story_id: str) -> ScanResult:
    """Search databases, bucket and topics."""
    settings = target.settings(data, env_file)
    stack = target.running(data) if env_file is None else None
    found = ScanResult(story_id)
    databases = erasure_scan.database_names(stack.services if stack else {})
    with clients.mongo(settings) as client:
        size = sum(client[name].command("dbstats")["objects"] for name in databases.values())
        with stderr.status(f"reading {int(size):,} documents, the bucket and the topics"):
            found.documents = list(erasure_scan.in_databases(client, databases, story_id))
    found.objects, found.uploads = erasure_scan.in_bucket(settings, story_id)
    found.topics = asyncio.run(_in_topics(settings, story_id))
    return found


async def _in_topics(settings: dict[str, str], story_id: str) -> list[erasure_scan.InTopic]:
    kafka, topics = clients.kafka(settings)
    async with open_reader(kafka) as log:
        return await erasure_scan.in_topics(log, topics, story_id)


def show(found: ScanResult) -> None:
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
        kind = f"{topic.with_content} with content or a viewer" if topic.with_content else "ids, times and counts"
        table.add_row("topic", topic.topic, f"{topic.records} of its records, {kind}, gone by {text(topic.gone_by)}")
    print_table(table)
    verdict = "hold nothing of it but ids, times and counts" if found.erased else "still hold something of it"
    info(f"databases and bucket {verdict}")

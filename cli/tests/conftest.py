"""Fixtures of the command line: an installation on the real servers, found through the environment."""

import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import Result
from stories_cli import clients
from stories_cli.app import app
from stories_cli.kafka_reader import Record, open_reader
from stories_embedded.testing import IsolatedNamespace
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.topics import ensure_topics
from typer.testing import CliRunner


class Installation:
    """Topics on the real servers, and the command line with their settings."""

    def __init__(self, namespace: IsolatedNamespace, data: Path) -> None:
        self.settings = dict(namespace)
        self.data = data
        self.kafka, self.topics = clients.kafka(namespace)

    def run(self, *arguments: str, stdin: str | None = None) -> Result:
        """Run one command with these settings."""
        return CliRunner().invoke(app, [*arguments, "--data", str(self.data)], input=stdin, env=self.settings)

    def records(self, topic: str) -> list[Record]:
        """All records of a topic."""
        return asyncio.run(records_of(self.kafka, topic))

    def size(self, topic: str) -> int:
        """The number of records of a topic, by offsets."""
        return asyncio.run(size_of(self.kafka, topic))

    def put(self, topic: str, key: bytes, value: bytes | None, *headers: tuple[str, bytes]) -> None:
        """Publish one raw record."""
        asyncio.run(put_raw(self.kafka, topic, key, value, list(headers)))


async def records_of(kafka: Kafka, topic: str) -> list[Record]:
    async with open_reader(kafka) as log:
        return [record async for records in log.read(topic) for record in records]


async def size_of(kafka: Kafka, topic: str) -> int:
    async with open_reader(kafka) as log:
        return sum((await log.ends([topic])).values())


async def put_raw(kafka: Kafka, topic: str, key: bytes, value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
    producer = AIOKafkaProducer(**kafka.arguments)
    await producer.start()
    try:
        await producer.send_and_wait(kafka.topic(topic), value, key, headers=headers)
    finally:
        await producer.stop()


@pytest.fixture
async def installation(namespace: IsolatedNamespace, tmp_path: Path) -> Installation:
    """An installation with empty topics."""
    made = Installation(namespace, tmp_path / "no-stack-here")
    await ensure_topics(made.kafka, made.topics, 3, 1)
    return made

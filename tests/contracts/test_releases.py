"""Old and new releases side by side: consumers accept events with missing optional and additional fields."""

import asyncio
import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from stories_cli import clients, erasure_replay
from stories_cli.kafka_reader import open_reader
from stories_embedded.paths import CHECKOUT
from stories_shared.events import EVENTS
from stories_shared.events.cloudevents import headers_of
from stories_shared.events.ids import new_id
from stories_shared.kafka.publisher import ProducerRecord, Publisher
from stories_shared.testing import eventually

from ..journeys.installation import Installation

GOLDEN = CHECKOUT / "shared" / "tests" / "golden"
RELEASES = sorted(path.name for path in GOLDEN.iterdir())
A_WHILE = 60.0
PEOPLE = ("user_id", "target_id", "author_id", "viewer_id")


def unchanged(topic: str, payload: dict[str, Any]) -> dict[str, Any]:
    """The payload as released."""
    return payload


def with_less(topic: str, payload: dict[str, Any]) -> dict[str, Any]:
    """The payload of an earlier release: without optional fields."""
    needed = {field.encode_name for field in msgspec.structs.fields(EVENTS[topic]) if field.required}
    return {name: value for name, value in payload.items() if name in needed}


def with_more(topic: str, payload: dict[str, Any]) -> dict[str, Any]:
    """The payload of a later release: with unknown fields, also in nested objects."""
    more = {"new": {"deep": [{"er": None}]}, "newer": 2**60, "newest": "x" * 1_000}
    held = {name: value | more for name, value in payload.items() if name in {"media", "sound"} and value}
    return payload | held | more


def golden(release: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each payload of a release, about new users and a new story, with current times."""
    story_id, tag, now = new_id(), secrets.token_hex(4), datetime.now(UTC)
    for path in sorted((GOLDEN / release).glob("*.json")):
        text = path.read_text().replace("019a0000-0000-7000-8000-000000000001", story_id)
        payload: dict[str, Any] = json.loads(text)
        payload |= {name: f"{payload[name]}-{tag}" for name in PEOPLE if payload.get(name)}
        payload |= {name: now.isoformat() for name in payload if name.endswith("_at") or name == "at"}
        if path.stem == "story-posted":
            payload["expires_at"] = (now + timedelta(hours=1)).isoformat()
        yield path.stem, payload


async def dead_letter(installation: Installation) -> dict[tuple[str, str], int]:
    """The number of dead-lettered records, by topic and group."""
    found = json.loads(await installation.stack.run("dlq", "list", "--json"))
    return {(row["topic"], row["group"]): row["records"] for row in found}


@pytest.mark.parametrize("shape", [unchanged, with_less, with_more])
@pytest.mark.parametrize("release", RELEASES)
async def test_events_of_other_releases_are_not_dead_lettered(
    installation: Installation, release: str, shape: Any
) -> None:
    before = await dead_letter(installation)
    kafka, topics = clients.kafka(await installation.stack.env())
    payloads = list(golden(release))
    for topic, payload in payloads:
        publisher = Publisher(kafka, topics[topic].writers[0])
        event = msgspec.convert(payload, EVENTS[topic], strict=False)
        headers = tuple(headers_of(event, publisher.source, new_id(), datetime.now(UTC)))
        value = json.dumps(shape(topic, payload)).encode()
        await publisher.start()
        await publisher.send([ProducerRecord(kafka.topic(topic), event.key.encode(), value, headers)])
        await publisher.stop()
    async with open_reader(kafka) as log, asyncio.timeout(A_WHILE):
        await erasure_replay.wait_until_handled(log, kafka, topics, [topic for topic, _ in payloads])
    assert await dead_letter(installation) == before


@pytest.mark.parametrize("shape", [with_less, with_more])
async def test_an_edge_of_another_release_counts(installation: Installation, shape: Any) -> None:
    ann, bob = installation.people("ann", "bob")
    edge = {"user_id": ann.id, "target_id": bob.id, "at": datetime.now(UTC).isoformat()}
    kafka, _ = clients.kafka(await installation.stack.env())
    publisher = Publisher(kafka, "/our-graph")
    await publisher.start()
    value = json.dumps(shape("user-followed", edge)).encode()
    await publisher.send([ProducerRecord(kafka.topic("user-followed"), ann.id.encode(), value)])
    await publisher.stop()
    following = eventually(lambda: ann.get("/v1/following"), A_WHILE, accept=lambda found: found["items"])
    assert [each["user_id"] for each in (await following)["items"]] == [bob.id]


def test_payload_folder_for_the_next_release_exists() -> None:
    assert "unreleased" in RELEASES
    assert all(Path(GOLDEN / name).is_dir() for name in RELEASES)

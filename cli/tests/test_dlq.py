"""dlq list, show and replay, on a real broker."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from faststream.kafka import KafkaRouter
from stories_shared.clock import system_now
from stories_shared.events import UserFollowed
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.dead_letters import dead_letter_headers
from stories_shared.kafka.subscriber import Batch, for_each_event, subscribe
from stories_shared.testing import consuming, eventually

pytestmark = pytest.mark.servers
GROUP = "feed.user-followed"


def dead_letter(installation: Any, offset: int, value: bytes = b"{broken", error: str = "unreadable") -> None:
    """Dead-letter a record as a consumer does: the headers of the origin come before the record's own."""
    origin = SimpleNamespace(
        topic=installation.kafka.topic("user-followed"),
        partition=1,
        offset=offset,
        headers=[("ce_id", b"7"), ("ce_source", b"/outside"), ("error", b"of its own")],
    )
    headers = dead_letter_headers(origin, GROUP, error, "it says nonsense", system_now())
    installation.put("user-followed.feed.dlq", b"ann", value, *headers)


def test_dead_letters_are_counted_by_topic_group_and_reason(installation: Any) -> None:
    assert json.loads(installation.run("dlq", "list", "--json").stdout) == []
    dead_letter(installation, 4)
    dead_letter(installation, 5, error="bug")
    dead_letter(installation, 4)
    for arguments in ((), ("user-followed",), ("user-followed", GROUP), ("user-followed", "feed")):
        (row,) = json.loads(installation.run("dlq", "list", *arguments, "--json").stdout)
        assert (row["topic"], row["group"], row["records"]) == ("user-followed", GROUP, 2)
        assert row["reasons"] == {"unreadable": 1, "bug": 1}
    assert "feed.user-followed" in installation.run("dlq", "list").stdout
    assert installation.run("dlq", "list", "no-such-topic").exit_code == 2


def test_a_dead_letter_record_shows_where_it_came_from_and_why(installation: Any) -> None:
    dead_letter(installation, 4)
    dead_letter(installation, 5)
    (shown,) = json.loads(installation.run("dlq", "show", "user-followed", GROUP, "--offset", "1:5", "--json").stdout)
    assert (shown["offset"], shown["error_type"], shown["error"]) == ("1:5", "unreadable", "it says nonsense")
    assert (shown["key"], shown["value"]) == ("ann", "{broken")
    assert "1:4" in installation.run("dlq", "show", "user-followed", GROUP).stdout


def test_replay_sends_each_record_once_and_unchanged(installation: Any) -> None:
    for offset in (4, 5, 4):
        dead_letter(installation, offset)
    dry = installation.run("dlq", "replay", "user-followed", GROUP, "--all", "--dry-run")
    assert dry.stdout.splitlines() == ["user-followed 1:4", "user-followed 1:5"]
    assert installation.records("user-followed") == []
    assert installation.run("dlq", "replay", "user-followed", GROUP, "--offset", "1:5").exit_code == 0
    (record,) = installation.records("user-followed")
    assert (record.key, record.value) == (b"ann", b"{broken")
    assert dict(record.headers) == {"ce_id": b"7", "ce_source": b"/outside", "error": b"of its own"}
    assert installation.run("dlq", "replay", "user-followed", GROUP, "--all").exit_code == 0
    assert len(installation.records("user-followed")) == 3


@pytest.mark.parametrize("arguments", [(), ("--all", "--offset", "1:4")])
def test_replay_requires_either_all_or_offset(installation: Any, arguments: tuple[str, ...]) -> None:
    assert installation.run("dlq", "replay", "user-followed", GROUP, *arguments).exit_code == 2


def test_replay_of_a_record_that_is_not_dead_lettered_fails(installation: Any) -> None:
    assert installation.run("dlq", "replay", "user-followed", GROUP, "--offset", "0:9").exit_code == 1


def test_replay_is_idempotent(installation: Any) -> None:
    dead_letter(installation, 4)
    for _ in range(2):
        assert installation.run("dlq", "replay", "user-followed", GROUP, "--offset", "1:4").exit_code == 0
    first, second = installation.records("user-followed")
    assert (first.key, first.value, first.headers) == (second.key, second.value, second.headers)
    assert len(installation.records("user-followed.feed.dlq")) == 1


def test_replayed_invalid_record_is_dead_lettered_with_its_new_offset(installation: Any) -> None:
    dead_letter(installation, 4)
    assert installation.run("dlq", "replay", "user-followed", GROUP, "--offset", "1:4").exit_code == 0
    (sent,) = installation.records("user-followed")
    asyncio.run(read_to_the_end(installation.kafka))
    rows = json.loads(installation.run("dlq", "show", "user-followed", GROUP, "--json").stdout)
    assert {row["offset"] for row in rows} == {"1:4", f"{sent.partition}:{sent.offset}"}
    assert {row["value"] for row in rows} == {"{broken"}


async def read_to_the_end(kafka: Kafka) -> None:
    """Consume as feed does, until the one record is processed."""
    router = KafkaRouter()

    @subscribe(router, UserFollowed, service="feed")
    async def on_user_followed(batch: Batch) -> None:
        await for_each_event(batch, UserFollowed, lambda _event: asyncio.sleep(0))

    async with consuming(kafka, router) as consumer_context:
        await eventually(lambda: sum(consumer_context.handled.values()) > 0)


@pytest.mark.parametrize("offset", ["nonsense", "1:", "-1:4"])
def test_replay_of_an_unknown_offset_fails(installation: Any, offset: str) -> None:
    assert installation.run("dlq", "replay", "user-followed", GROUP, f"--offset={offset}").exit_code != 0


def test_replay_for_an_unknown_group_lists_the_known_groups(installation: Any) -> None:
    refused = installation.run("dlq", "replay", "user-followed", "expiry.user-followed", "--all")
    assert refused.exit_code == 2
    assert GROUP in refused.stderr

"""Faults follow from the seed alone, and invalid records are invalid for every consumer."""

import asyncio
import random
from typing import Any

import pytest
from stories_embedded.paths import CHECKOUT
from stories_shared.events import EVENTS
from stories_shared.events.cloudevents import DecodeError, decode_record

from .faults import REPLICATED, WEIGHTS, faults
from .log_recorder import INVALID_KEY_PREFIX, LogRecorder
from .minimize import smallest
from .nemesis import PlannedFault, plan
from .network_faults import NetworkFaults
from .process_faults import ProcessFaults
from .record_faults import RecordFaults, bad_values
from .recovery_times import RecoveryTimes
from .replica_faults import ReplicaFaults
from .summary import Summary


async def planned(seed: int, number: int) -> list[PlannedFault]:
    found = []
    async for fault in plan(seed, WEIGHTS):
        found.append(fault)
        if len(found) == number:
            return found
    return found


def test_same_seed_gives_the_same_faults() -> None:
    async def twice() -> None:
        assert await planned(7, 50) == await planned(7, 50) != await planned(8, 50)

    asyncio.run(twice())


def test_every_kind_has_a_fault_and_is_explained() -> None:
    nothing: Any = None
    processes, network = ProcessFaults(nothing, nothing, nothing, nothing), NetworkFaults(nothing)
    made = faults(processes, network, RecordFaults("", nothing), ReplicaFaults(nothing, nothing, nothing))
    assert made.keys() == WEIGHTS.keys() > REPLICATED
    page = (CHECKOUT / "docs" / "operations" / "chaos.md").read_text(encoding="utf-8")
    assert [kind for kind in WEIGHTS if f"`{kind}`" not in page] == []


class Record:
    """As aiokafka hands one out."""

    key, headers, partition, offset, timestamp, topic = b"key", (), 0, 0, 1_700_000_000_000, "topic"

    def __init__(self, value: bytes) -> None:
        self.value = value


@pytest.mark.parametrize("topic", sorted(EVENTS))
def test_invalid_record_is_never_decoded(topic: str) -> None:
    for seed in range(5):
        for value in bad_values(topic, random.Random(seed)):
            record: Any = Record(value)
            with pytest.raises(DecodeError):
                decode_record(record, EVENTS[topic])


def test_failing_fault_kinds_are_minimized_one_at_a_time() -> None:
    kinds = ["again", "cut", "kill", "slow"]
    failed = Summary(1, 60, kinds, injected={"kill": 2, "slow": 1, "again": 3}, suspects=frozenset({"again"}))
    ran: list[frozenset[str]] = []

    def run(without: frozenset[str]) -> Summary:
        ran.append(without)
        return Summary(1, 60, [], [("broken", {})] if "again" not in without and "kill" not in without else [])

    fewest, without = smallest(failed, run, 5, lambda _: None)
    assert (set(fewest), set(without)) == ({"again", "kill"}, {"cut", "slow"})
    assert ran == [{"cut", "slow"}, {"cut", "slow", "kill"}, {"cut", "slow", "again"}]


def test_decreasing_counter_belongs_to_a_new_process() -> None:
    recovery_times = RecoveryTimes({})
    for count in (3.0, 8.0, 2.0):
        recovery_times.note("feed", "feed.story-posted", count)
    recovery_times.note("feed-2", "feed.story-posted", 5.0)
    assert recovery_times.handled() == {"feed.story-posted": 15}
    assert recovery_times.redelivered({"story-posted": 11}) == 4


@pytest.mark.parametrize("topic", sorted(EVENTS))
def test_log_recorder_skips_invalid_records(topic: str) -> None:
    recorder = LogRecorder("nowhere", (topic,))
    for value in (value for seed in range(20) for value in bad_values(topic, random.Random(seed))):
        record: Any = Record(value)
        record.topic, record.key = topic, INVALID_KEY_PREFIX + b"1"
        recorder._note(record)
    assert (recorder.early, recorder.lateness) == ([], [])

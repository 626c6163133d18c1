"""All kinds of faults by name, and their weights."""

from collections.abc import Mapping

from .nemesis import Fault
from .network_faults import NetworkFaults
from .process_faults import ProcessFaults
from .record_faults import RecordFaults
from .replica_faults import ReplicaFaults

WEIGHTS: Mapping[str, int] = {
    "kill": 5,
    "term": 2,
    "roll": 1,
    "freeze": 5,
    "relay": 3,
    "kill-server": 4,
    "freeze-server": 2,
    "slow": 2,
    "cut": 2,
    "hole": 3,
    "torn": 2,
    "isolate": 3,
    "poison": 3,
    "large": 2,
    "again": 4,
    "headers": 2,
    "partitions": 2,
    "join": 2,
    "clock": 2,
}

REPLICATED = frozenset({"isolate"})
"""Kinds that need several brokers."""


def faults(
    processes: ProcessFaults, network: NetworkFaults, records: RecordFaults, members: ReplicaFaults
) -> dict[str, Fault]:
    """The fault of each name."""
    return {
        "kill": processes.kill_service,
        "term": processes.stop_service,
        "roll": processes.roll,
        "freeze": processes.freeze_service,
        "relay": processes.freeze_relay,
        "kill-server": processes.kill_server,
        "freeze-server": processes.freeze_server,
        "slow": network.slow,
        "cut": network.cut,
        "hole": network.hole,
        "torn": network.torn,
        "isolate": network.isolate,
        "poison": records.invalid,
        "large": records.large,
        "again": records.again,
        "headers": records.headers,
        "partitions": records.partitions,
        "join": members.join,
        "clock": members.clock,
    }

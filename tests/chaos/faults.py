"""All kinds of faults by name, and how often each is drawn."""

from collections.abc import Mapping

from .nemesis import Fault
from .network_faults import WireFaults
from .process_faults import ProcessFaults
from .record_faults import RecordFaults
from .replica_faults import MemberFaults

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
    "poison": 3,
    "large": 2,
    "again": 4,
    "headers": 2,
    "partitions": 2,
    "join": 2,
    "clock": 2,
}


def faults(
    processes: ProcessFaults, wires: WireFaults, records: RecordFaults, members: MemberFaults
) -> dict[str, Fault]:
    """What each name does."""
    return {
        "kill": processes.kill_service,
        "term": processes.stop_service,
        "roll": processes.roll,
        "freeze": processes.freeze_service,
        "relay": processes.freeze_relay,
        "kill-server": processes.kill_server,
        "freeze-server": processes.freeze_server,
        "slow": wires.slow,
        "cut": wires.cut,
        "hole": wires.hole,
        "torn": wires.torn,
        "poison": records.poisonous,
        "large": records.large,
        "again": records.again,
        "headers": records.headers,
        "partitions": records.partitions,
        "join": members.join,
        "clock": members.clock,
    }

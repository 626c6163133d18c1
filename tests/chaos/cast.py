"""Everybody who takes part in a run, wired by hand."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

import httpx
from stories_shared.topics import Topics

from tests.journeys.samples import Samples

from .arena import LIFETIMES, Arena
from .asking import Client
from .faults import WEIGHTS, faults
from .faults_of_members import MemberFaults
from .faults_of_processes import ProcessFaults
from .faults_of_records import RecordFaults
from .faults_of_wires import WireFaults
from .generator import Generator
from .history import History
from .metering import Meter
from .nemesis import Nemesis
from .operations import Operations
from .scribe import Scribe
from .truth import Truth
from .weather import Weather
from .witness import Witness, Wrong

PEOPLE = 16
TIMEOUT = httpx.Timeout(30, pool=60)


@dataclass
class Cast:
    """The parts of one run."""

    client: Client
    truth: Truth
    witness: Witness
    operations: Operations
    generator: Generator
    scribe: Scribe
    records: RecordFaults
    nemesis: Nemesis
    meter: Meter


async def cast(
    seed: int,
    kinds: frozenset[str],
    without: frozenset[str],
    arena: Arena,
    history: History,
    weather: Weather,
    wrong: Wrong,
    samples: Samples,
    stack: AsyncExitStack,
) -> Cast:
    """Everybody for a running arena; `stack` closes their connections."""

    async def door(url: str) -> httpx.AsyncClient:
        return await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=TIMEOUT, trust_env=False))

    client = Client(history, await door(arena.stack.url), arena.stack.token, samples.photo(), wrong)
    truth = Truth([f"user-{number}-{seed}" for number in range(PEOPLE)])
    processes = arena.processes()
    doors = {name: await door(processes[name].url or "") for name in arena.replicas()}
    witness = Witness(client, truth, weather, wrong, doors)
    pool = [samples.photo(), samples.photo(".png"), samples.photo(".webp"), samples.clip(1.0)]
    operations = Operations(client, truth, witness, pool, samples.text(), LIFETIMES)
    scribe = Scribe(arena.direct["kafka"], tuple(Topics.of([timedelta(hours=24)])))
    records = RecordFaults(arena.direct["kafka"], scribe)
    everything = faults(
        ProcessFaults(arena, witness.collect, operations.provoke, witness.stare),
        WireFaults(arena),
        records,
        MemberFaults(arena, witness, wrong),
    )
    weights = {kind: weight for kind, weight in WEIGHTS.items() if kind in kinds}
    nemesis = Nemesis(arena, weather, history, everything, weights, without, seed)
    generator = Generator(operations, seed)
    return Cast(client, truth, witness, operations, generator, scribe, records, nemesis, Meter(witness.doors))

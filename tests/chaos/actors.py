"""The parts of a run, wired by hand."""

import random
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

import httpx
from stories_embedded.ports import free_port
from stories_shared.kafka.topics import Topics

from tests.journeys.samples import Samples

from .author_operations import AuthorOperations
from .cluster import LIFETIMES, Cluster
from .fault_timeline import FaultTimeline
from .faults import WEIGHTS, faults
from .generator import Generator
from .history import History
from .http_client import Client
from .invariant_monitor import InvariantMonitor, Wrong
from .live_clients import CLIENTS, LiveClient, LiveClients
from .log_recorder import LogRecorder
from .model import Model
from .nemesis import Nemesis
from .network_faults import NetworkFaults
from .process_faults import ProcessFaults
from .proxy import Proxy
from .record_faults import RecordFaults
from .recovery_times import RecoveryTimes
from .replica_faults import ReplicaFaults
from .webhook_receivers import Webhooks, webhook_receivers

PEOPLE = 16
TIMEOUT = httpx.Timeout(30, pool=60)


@dataclass
class Actors:
    """The parts of one run."""

    client: Client
    model: Model
    monitor: InvariantMonitor
    operations: AuthorOperations
    generator: Generator
    recorder: LogRecorder
    records: RecordFaults
    nemesis: Nemesis
    recovery_times: RecoveryTimes
    webhooks: Webhooks
    live: LiveClients


async def make_actors(
    seed: int,
    kinds: frozenset[str],
    without: frozenset[str],
    cluster: Cluster,
    history: History,
    fault_timeline: FaultTimeline,
    wrong: Wrong,
    samples: Samples,
    stack: AsyncExitStack,
) -> Actors:
    """Build the parts for a running cluster; `stack` closes their connections."""

    async def endpoint(url: str) -> httpx.AsyncClient:
        return await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=TIMEOUT, trust_env=False))

    client = Client(history, await endpoint(cluster.stack.url), cluster.stack.token, samples.photo(), wrong)
    model = Model([f"user-{number}-{seed}" for number in range(PEOPLE)])
    processes = cluster.processes()
    endpoints = {name: await endpoint(processes[name].url or "") for name in cluster.replicas()}
    monitor = InvariantMonitor(client, model, fault_timeline, wrong, endpoints)
    pool = [samples.photo(), samples.photo(".png"), samples.photo(".webp"), samples.clip(1.0)]
    operations = AuthorOperations(client, model, monitor, pool, samples.text(), LIFETIMES)
    recorder = LogRecorder(cluster.direct["kafka"], tuple(Topics.of([timedelta(hours=24)])))
    records = RecordFaults(cluster.direct["kafka"], recorder)
    everything = faults(
        ProcessFaults(cluster, monitor.collect, operations.provoke, monitor.probe_revoked),
        NetworkFaults(cluster),
        records,
        ReplicaFaults(cluster, monitor, wrong),
    )
    weights = {kind: weight for kind, weight in WEIGHTS.items() if kind in kinds}
    nemesis = Nemesis(cluster, fault_timeline, history, everything, weights, without, seed)
    generator = Generator(operations, seed)
    webhooks = await stack.enter_async_context(webhook_receivers(client, wrong, seed))
    rng = random.Random(f"{seed}/live")
    proxy = Proxy("gateway", int(cluster.stack.url.rpartition(":")[2]), free_port(set()), rng)
    await proxy.start()
    stack.push_async_callback(proxy.stop)
    http = await endpoint(f"http://127.0.0.1:{proxy.port}")
    live = LiveClients(
        [LiveClient(user, client, http, model, fault_timeline, wrong) for user in model.users[:CLIENTS]], proxy, rng
    )
    times = RecoveryTimes(monitor.endpoints)
    return Actors(client, model, monitor, operations, generator, recorder, records, nemesis, times, webhooks, live)

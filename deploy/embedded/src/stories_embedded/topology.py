"""The programs of a stack, their ports and their settings."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stories_shared.events.cloudevents import SERVICES

from . import minio, prometheus
from .data_dir import DataDir
from .kafka import Kafka
from .keys import StackKeys
from .mongodb import Mongod
from .ports import SECOND_PORT, free_port, is_free, require_free
from .prometheus import Prometheus
from .s3 import MinIO, SeaweedFS
from .server import Server
from .services import Gateway, Service, inherited_settings

BUCKET = "stories"
SUPERVISOR_SETTINGS = {"HOST", "PORT", "MONGO_DATABASE"}  # set by the supervisor for each replica or service


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `stories up`. `gateway_port` 0 chooses a free port."""

    gateway_port: int = 8080
    lifetimes: str | None = None
    replicas: Mapping[str, int] = field(default_factory=dict)
    s3: str = "seaweedfs"
    observe: bool = False


@dataclass(frozen=True)
class StackTopology:
    """The programs in start order, and the settings that the supervisor chooses."""

    servers: Sequence[Server]
    services: Sequence[Service]
    gateway: Gateway
    settings: dict[str, str]
    monitoring: Sequence[Server] = ()
    sign_in_port: int | None = None
    """Port of the sign-in by name; None where the stack's tokens come from elsewhere."""


def plan_stack(folder: DataDir, options: Options, environ: Mapping[str, str] = os.environ) -> StackTopology:
    """Choose programs, ports and settings. Ports of the last start are reused if they are free.

    Raises PortTaken, and NotInstalled if MinIO or Prometheus is requested and missing.
    """
    ports = _Ports(folder.path / "ports.json")
    gateway_port = options.gateway_port or ports.choose("gateway")
    require_free("the gateway", gateway_port)
    keys = StackKeys(folder.keys)
    keys.make()
    origins = f"http://127.0.0.1:{gateway_port},http://localhost:{gateway_port}"  # of the web client
    if environ.get("CORS_ORIGINS"):
        origins = f"{origins},{environ['CORS_ORIGINS']}" if environ["CORS_ORIGINS"] != "*" else "*"
    own, servers = _servers(folder.path, ports, keys, options.s3, origins, environ)
    common = {
        **own,
        "S3_BUCKET": BUCKET,
        "TOPIC_PARTITIONS": "3",
        "TOPIC_REPLICATION": "1",
        "PUBLIC_URL": f"http://127.0.0.1:{gateway_port}",
        **keys.settings(),
    }
    settings = {name: environ.get(name, value) for name, value in common.items() if f"{name}_FILE" not in environ}
    if options.lifetimes:
        settings["STORY_LIFETIMES"] = options.lifetimes
    settings["HOST"] = "127.0.0.1"
    services = [
        Service(name, replica, ports.choose(f"{name}-{replica}"), service_settings(name, settings))
        for name in SERVICES
        for replica in range(1, options.replicas.get(name, 1) + 1)
    ]
    upstreams = {name: [f"127.0.0.1:{each.port}" for each in services if each.service == name] for name in SERVICES}
    own_keys = settings.get("AUTH_JWKS") == str(keys.jwks)
    sign_in_port = ports.choose("sign-in") if own_keys else None
    gateway = Gateway(
        gateway_port,
        upstreams,
        folder.path / "gateway",
        environ,
        media_origin=_media_origin(settings),
        sign_in=f"127.0.0.1:{sign_in_port}" if sign_in_port else "",
        metrics_port=ports.choose("gateway-metrics"),
    )
    scraped = {**upstreams, "gateway": [f"127.0.0.1:{gateway.metrics_port}"]}
    monitoring: list[Server] = []
    if options.observe:
        monitoring += [
            Prometheus(folder.path / "prometheus", ports.choose("prometheus"), scraped, prometheus.program())
        ]
    ports.save()
    return StackTopology(servers, services, gateway, settings, monitoring, sign_in_port)


def _media_origin(settings: Mapping[str, str]) -> str:
    """The object store as browsers see it; empty if the environment says nothing of it."""
    endpoint = settings.get("S3_PUBLIC_ENDPOINT") or settings.get("S3_ENDPOINT")
    if not endpoint:
        return ""
    return f"{'http' if settings.get('S3_SECURE', 'true').lower() in {'false', '0', 'no'} else 'https'}://{endpoint}"


def service_settings(name: str, settings: Mapping[str, str]) -> dict[str, str]:
    """The settings of one service."""
    return {**settings, "MONGO_DATABASE": f"stories_{name}"}


def all_settings(plan: StackTopology, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The settings of the topology and of the environment."""
    inherited = {name: value for name, value in inherited_settings(environ).items() if name not in SUPERVISOR_SETTINGS}
    return {**inherited, **plan.settings}


def _servers(
    data: Path, ports: "_Ports", keys: StackKeys, s3: str, origins: str, environ: Mapping[str, str]
) -> tuple[dict[str, str], list[Server]]:
    """The servers to start and their addresses. A server named in the environment is used instead of starting one."""
    settings: dict[str, str] = {}
    servers: list[Server] = []
    if "MONGO_URL" not in environ and "MONGO_URL_FILE" not in environ:
        mongod = Mongod(data / "mongod", ports.choose("mongod"))
        settings["MONGO_URL"] = mongod.url
        servers.append(mongod)
    if "KAFKA_BOOTSTRAP_SERVERS" not in environ:
        kafka = Kafka(data / "kafka", ports.choose("kafka"), ports.choose("kafka-controller"))
        settings["KAFKA_BOOTSTRAP_SERVERS"] = kafka.url
        servers.append(kafka)
    if "S3_ENDPOINT" not in environ:
        store = _store(data, ports, keys, s3, origins)
        endpoint = store.url.removeprefix("http://")
        settings |= {"S3_ENDPOINT": endpoint, "S3_PUBLIC_ENDPOINT": endpoint, "S3_SECURE": "false"}
        settings["S3_REGION"] = "us-east-1"  # accepts any region, as long as all clients use the same
        servers.append(store)
    return settings, servers


def _store(data: Path, ports: "_Ports", keys: StackKeys, s3: str, origins: str) -> Server:
    if s3 == "minio":
        return MinIO(data / "minio", ports.choose("s3"), keys.s3(), minio.program(), origins)
    return SeaweedFS(
        data / "s3",
        ports.choose("s3"),
        ports.choose("s3-master"),
        ports.choose("s3-volume"),
        ports.choose("s3-filer"),
        keys.s3(),
        origins,
    )


class _Ports:
    """Ports by name, kept between starts."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            self._last: dict[str, int] = json.loads(file.read_text())
        except (OSError, ValueError):
            self._last = {}
        self._chosen: dict[str, int] = {}

    def choose(self, name: str) -> int:
        last = self._last.get(name)
        taken = set(self._chosen.values()) | set(self._last.values())
        if last and last not in self._chosen.values() and is_free(last) and is_free(last + SECOND_PORT):
            self._chosen[name] = last
        else:
            self._chosen[name] = free_port(taken)
        return self._chosen[name]

    def save(self) -> None:
        self._file.write_text(json.dumps({**self._last, **self._chosen}))

"""The S3 store: SeaweedFS by default, or MinIO."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import paths
from .http_probe import read, status
from .server import Server


@dataclass(frozen=True, slots=True)
class S3Keys:
    """The credentials of the administrator."""

    access: str
    secret: str


@dataclass
class SeaweedFS(Server):
    """SeaweedFS: master, volume server, filer and S3 gateway in one process."""

    data: Path
    port: int
    master_port: int
    volume_port: int
    filer_port: int
    keys: S3Keys
    origins: str = ""

    name = "s3"
    stop_seconds = 2.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        credentials = [{"accessKey": self.keys.access, "secretKey": self.keys.secret}]
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        identity = {"name": "stories", "credentials": credentials, "actions": actions}
        self._identities.touch(0o600)
        self._identities.write_text(json.dumps({"identities": [identity]}))

    def command(self) -> Sequence[str]:
        """Tuned options: with the defaults two buckets fill the store, a stop takes 25 s, and telemetry is on."""
        origins = ["-s3.allowedOrigins", self.origins] if self.origins else []
        return [
            *(str(paths.script("weed")), "-logtostderr=true", "server", "-dir", str(self.data)),
            *("-ip", "127.0.0.1", "-ip.bind", "127.0.0.1"),
            *("-master.port", str(self.master_port), "-volume.port", str(self.volume_port)),
            *("-filer", "-filer.port", str(self.filer_port), "-filer.disableDirListing"),
            *("-s3", "-s3.port", str(self.port), "-s3.config", str(self._identities), "-s3.autoCreateBucket=false"),
            *("-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false"),
            *("-volume.max=0", "-volume.preStopSeconds=0", "-volume.minFreeSpace=1"),
            *("-master.volumeSizeLimitMB=256", "-master.electionTimeout=1s", "-master.heartbeatInterval=100ms"),
            *("-master.telemetry=false", *origins),
        ]

    def environment(self) -> Mapping[str, str]:
        """One volume for a new bucket instead of seven, and a memory limit."""
        return {"WEED_MASTER_VOLUME_GROWTH_COPY_1": "1", "GOMEMLIMIT": "512MiB"}

    def ready(self) -> bool:
        """Whether a volume is writable and the S3 gateway answers."""
        try:
            master = json.loads(read(f"http://127.0.0.1:{self.master_port}/dir/status") or b"{}")
        except ValueError:
            return False
        return int(master.get("Topology", {}).get("Max") or 0) > 0 and _answers(self.port)

    @property
    def _identities(self) -> Path:
        return self.data / "identities.json"


@dataclass
class MinIO(Server):
    """MinIO, run from `program`."""

    data: Path
    port: int
    keys: S3Keys
    program: Path
    origins: str = ""

    name = "s3"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)

    def command(self) -> Sequence[str]:
        return [str(self.program), "server", "--address", f"127.0.0.1:{self.port}", "--quiet", str(self.data)]

    def environment(self) -> Mapping[str, str]:
        origins = {"MINIO_API_CORS_ALLOW_ORIGIN": self.origins} if self.origins else {}
        keys = {"MINIO_ROOT_USER": self.keys.access, "MINIO_ROOT_PASSWORD": self.keys.secret}
        return {**keys, **origins, "MINIO_BROWSER": "off", "MINIO_UPDATE": "off", "MINIO_CALLHOME_ENABLE": "off"}

    def ready(self) -> bool:
        return _answers(self.port)


def _answers(port: int) -> bool:
    """Whether the S3 API answers a request without a signature."""
    return status(f"http://127.0.0.1:{port}/") in {200, 403}

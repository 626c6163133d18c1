"""Prometheus with the rules of every deployment, scraping the services of this stack."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .http_probe import status
from .paths import CHECKOUT, NotInstalled
from .server import Server

RULES = CHECKOUT / "deploy" / "prometheus" / "rules"
INTERVAL = "5s"
RETENTION_TIME, RETENTION_SIZE = "2d", "512MB"


def program() -> Path:
    """The path of the program.

    Raises NotInstalled.
    """
    if found := shutil.which("prometheus"):
        return Path(found)
    raise NotInstalled("--observe needs Prometheus: sudo apt-get install -y prometheus")


@dataclass
class Prometheus(Server):
    """A Prometheus with a retention of two days. `targets`: the replicas of each service, `host:port`."""

    data: Path
    port: int
    targets: Mapping[str, Sequence[str]]
    program: Path

    name = "prometheus"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """Write the configuration; JSON is valid YAML."""
        self.data.mkdir(parents=True, exist_ok=True)
        scrape_configs = [
            {"job_name": service, "static_configs": [{"targets": list(hosts)}]}
            for service, hosts in self.targets.items()
        ]
        config = {
            "global": {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL},
            "rule_files": [str(RULES / "*.yml")],
            "scrape_configs": scrape_configs,
        }
        self._config.write_text(json.dumps(config, indent=1))

    def command(self) -> Sequence[str]:
        return [
            str(self.program),
            f"--config.file={self._config}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            f"--storage.tsdb.path={self.data / 'series'}",
            f"--storage.tsdb.retention.time={RETENTION_TIME}",
            f"--storage.tsdb.retention.size={RETENTION_SIZE}",
        ]

    def ready(self) -> bool:
        return status(f"{self.url}/-/ready") == 200

    @property
    def _config(self) -> Path:
        return self.data / "prometheus.yml"

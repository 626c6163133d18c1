"""docker-compose.yml as the real docker compose reads it, with every profile and every override."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from stories_embedded.paths import CHECKOUT

COMPOSE = CHECKOUT / ".venv-deploy" / "bin" / "docker-compose"
FILES = (
    "docker-compose.yml",
    "docker-compose.yml:deploy/compose.seaweedfs.yml",
    "docker-compose.yml:deploy/compose.sasl.yml",
)
PROFILES = ((), ("observability",), ("tools",), ("observability", "tools"))
COMPLETED = "service_completed_successfully"


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to start it: files and profiles."""

    files: str
    profiles: tuple[str, ...]

    def __str__(self) -> str:
        override = self.files.rpartition("compose.")[2].removesuffix(".yml") if ":" in self.files else "minio"
        return "+".join([override, *self.profiles])


VARIANTS = [Variant(files, profiles) for files in FILES for profiles in PROFILES]


@cache
def secrets(folder: Path) -> Path:
    """The .env that `make secrets` writes, in a folder of its own."""
    run = make_secrets(folder)
    assert run.returncode == 0, run.stderr
    return folder / ".env"


def make_secrets(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run what `make secrets` runs, in a folder of its own."""
    script = CHECKOUT / "deploy" / "secrets.sh"
    return subprocess.run(["sh", script, folder], check=False, capture_output=True, text=True)


def compose(
    variant: Variant, env_file: Path, *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run docker compose with an environment of only PATH."""
    files = [word for file in variant.files.split(":") for word in ("-f", file)]
    profiles = [word for profile in variant.profiles for word in ("--profile", profile)]
    return subprocess.run(
        [COMPOSE, "--env-file", env_file, *files, *profiles, *arguments],
        check=False,
        cwd=CHECKOUT,
        env={"PATH": "/usr/bin:/bin", "HOME": str(env_file.parent), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=60,
    )


@cache
def services(variant: Variant, env_file: Path) -> dict[str, dict[str, Any]]:
    """The services of a variant, interpolated and merged."""
    run = compose(variant, env_file, "config", "--format", "json")
    assert run.returncode == 0, run.stderr
    found: dict[str, dict[str, Any]] = json.loads(run.stdout)["services"]
    return found


def one_shots(found: dict[str, dict[str, Any]]) -> Sequence[str]:
    """Services that run to completion at each `up`; nothing else starts them."""
    return [name for name, service in found.items() if service.get("restart") == "no" and replicas(service) > 0]


def replicas(service: dict[str, Any]) -> int:
    """The number of replicas that `up` starts."""
    return int(service.get("deploy", {}).get("replicas", service.get("scale", 1)))

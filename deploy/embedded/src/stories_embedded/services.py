"""The four services and the gateway as supervised programs."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from stories_shared.events.cloudevents import SERVICES

from . import paths
from .http_probe import status
from .ports import free_port, require_free
from .server import Server

if TYPE_CHECKING:
    from stories_shared.runtime.settings import Settings

DOCS = paths.CHECKOUT / "docs"
GATEWAY = paths.CHECKOUT / "deploy" / "gateway"


@dataclass
class Service(Server):
    """One replica of a service: `python -m stories_<service>`."""

    service: str
    replica: int
    port: int
    settings: Mapping[str, str]
    name: str = field(init=False)
    stop_seconds = 12.0  # its own grace period is 10 s

    def __post_init__(self) -> None:
        self.name = self.service if self.replica == 1 else f"{self.service}-{self.replica}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", f"stories_{self.service}"]

    def environment(self) -> Mapping[str, str]:
        return {**self.settings, "PORT": str(self.port)}

    def ready(self) -> bool:
        return status(f"{self.url}/readyz") == 200

    def stuck(self) -> bool:
        """Whether `/livez` reports stalled loops. A process that does not answer may be paused: it is not stuck."""
        return status(f"{self.url}/livez") == 503


PASSED_ON = ("CORS_ORIGINS", "PUBLIC_URL", "AUTH_ISSUER", "AUTH_AUDIENCE", "OIDC_CLIENT_ID", "SHARE_APP_URL")
"""Settings that the gateway takes from the environment of `stories up`."""


@dataclass
class Gateway(Server):
    """Caddy with the Caddyfile of every deployment."""

    port: int
    upstreams: Mapping[str, Sequence[str]]
    data: Path
    environ: Mapping[str, str]
    media_origin: str = ""
    """Where browsers load media from; empty: any https origin."""
    sign_in: str = ""
    """Address of the sign-in by name, for development; empty: none."""
    metrics_port: int = field(default_factory=lambda: free_port(set()))

    name = "gateway"
    stop_seconds = 5.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """Check the port first, because Caddy silently shares a taken one."""
        require_free("the gateway", self.port)
        self.data.mkdir(parents=True, exist_ok=True)

    def command(self) -> Sequence[str]:
        caddyfile = str(GATEWAY / "Caddyfile")
        return [str(paths.script("caddy")), "run", "--config", caddyfile, "--adapter", "caddyfile"]

    def environment(self) -> Mapping[str, str]:
        media = self.environ.get("MEDIA_ORIGIN") or self.media_origin
        return {
            **{f"{service.upper()}_UPSTREAMS": " ".join(hosts) for service, hosts in self.upstreams.items()},
            **{name: self.environ.get(name, "") for name in PASSED_ON},
            **({"MEDIA_ORIGIN": media} if media else {}),
            "SIGN_IN_UPSTREAM": self.sign_in,
            "GATEWAY_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "GATEWAY_METRICS_PORT": str(self.metrics_port),
            "GATEWAY_FILES": str(GATEWAY),
            "OPENAPI_FOLDER": str(DOCS),
            "XDG_DATA_HOME": str(self.data),
            "XDG_CONFIG_HOME": str(self.data),
        }

    def ready(self) -> bool:
        return status(f"{self.url}/v1/config") == 200


def settings_class(service: str) -> "type[Settings]":
    """The class that reads the settings of a service."""
    found: type[Settings] = getattr(import_module(f"stories_{service}.settings"), f"{service.title()}Settings")
    return found


def setting_names() -> set[str]:
    """Every setting of every service, from the classes that read them."""
    return {name.upper() for service in SERVICES for name in settings_class(service).model_fields}


def inherited_settings(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The settings of services in the environment of `stories up`."""
    names = setting_names()
    return {name: value for name, value in environ.items() if name in names or name.removesuffix("_FILE") in names}

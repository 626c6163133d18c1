"""Settings come from the environment, under the names of ``docs/settings.md``, and are read once, at the start.

Any of them may also come from a file: ``NAME_FILE`` names it, its content without the trailing newline is the value.
"""

import os
import re
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from stories_shared.tls import client_context

S = TypeVar("S", bound="Settings")

AMAZON = re.compile(r"(?:^|\.)s3[.-](?:fips\.)?(?:dualstack\.)?([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com(?:\.cn)?$")
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration(value: Any) -> Any:
    """``24h``, ``20s``, ``500ms`` or a plain number of seconds as a timedelta; anything else is returned unchanged."""
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*", value)
        if not match:
            raise ValueError("expected a duration such as 24h, 15m, 20s or 500ms")
        return timedelta(seconds=float(match[1]) * UNITS[match[2] or "s"])
    return value


def duration_text(value: timedelta) -> str:
    """A timedelta in the largest unit that divides it: ``24h``, ``20s``."""
    total = round(value.total_seconds() * 1000)
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if total and total % size == 0:
            return f"{total // size}{unit}"
    return f"{total}ms"


def comma_separated(value: Any) -> Any:
    """``a,b`` as a list of stripped parts; anything but a string is returned unchanged."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def ticket_key_pairs(value: Any) -> Any:
    """``id:secret,…`` as pairs; the secret has at least 16 characters."""
    if isinstance(value, str):
        pairs = []
        for part in comma_separated(value):
            key_id, _, secret = part.partition(":")
            if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", key_id) or len(secret) < 16:
                raise ValueError("expected id:secret,… with secrets of at least 16 characters")
            pairs.append((key_id, SecretStr(secret)))
        return tuple(pairs)
    return value


def positive(value: timedelta) -> timedelta:
    """The duration. Raises ValueError unless it is positive."""
    if value <= timedelta(0):
        raise ValueError("expected a positive duration")
    return value


def mongodb_url(value: SecretStr) -> SecretStr:
    """A URL whose user and password, if it has any, are percent-encoded. The error shows no part of it."""
    scheme, _, rest = value.get_secret_value().partition("://")
    account, at, hosts = rest.rpartition("@")
    hosts = re.split(r"[/?]", hosts)[0]
    encoded = re.fullmatch(r"([^:@/?#\[\]%]|%[0-9A-Fa-f]{2})*(:([^:@/?#\[\]%]|%[0-9A-Fa-f]{2})*)?", account)
    named = all(re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]\s]+)(:\d{1,5})?", host) for host in hosts.split(","))
    if scheme not in {"mongodb", "mongodb+srv"} or not named or not encoded or (at and not account):
        raise ValueError(
            "expected mongodb://host:port,… with user and password percent-encoded, "
            "or without them beside MONGO_USERNAME and MONGO_PASSWORD"
        )
    return value


def pem_file(path: str) -> str:
    """The path of a readable PEM file. Raises ValueError otherwise."""
    try:
        client_context(path)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or 'no certificate in PEM'}") from error
    return path


Duration = Annotated[timedelta, BeforeValidator(duration), AfterValidator(positive)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(comma_separated)]
Lifetimes = Annotated[
    tuple[Duration, ...],
    NoDecode,
    BeforeValidator(comma_separated),
    Field(min_length=1, max_length=20),
]
TicketKeys = Annotated[
    tuple[tuple[str, SecretStr], ...], NoDecode, BeforeValidator(ticket_key_pairs), Field(min_length=1)
]


class FileSource(EnvSettingsSource):
    """Reads a setting from the file that ``NAME_FILE`` names, where NAME itself is not set."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """The content of the setting's file, if one is named."""
        path = os.environ.get(f"{field_name.upper()}_FILE")
        if not path:
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n"), field_name, False
        except OSError as error:
            raise ValueError(f"{field_name.upper()}_FILE: {error.strerror}: {path}") from error


class Settings(BaseSettings):
    """Settings of every service. A service subclasses it in its ``settings`` module."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)

    kafka_bootstrap_servers: str = Field(description="Kafka brokers, `host:port,…`")
    kafka_topic_prefix: str = Field(
        "", pattern=r"^[A-Za-z0-9._-]{0,100}$", description="prefix of every topic and group"
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="the security protocol of the brokers"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field("PLAIN", description="with SASL")
    kafka_sasl_username: str | None = Field(None, description="with SASL")
    kafka_sasl_password: SecretStr | None = Field(None, description="with SASL")
    kafka_ssl_cafile: str | None = Field(None, description="with SSL: the authority's certificate")
    kafka_ssl_certfile: str | None = Field(None, description="with SSL: the client's certificate")
    kafka_ssl_keyfile: str | None = Field(None, description="with SSL: the client's key")
    kafka_idempotent: bool = Field(True, description="whether the producer is idempotent")
    topics: Literal["init", "external"] = Field(
        "init",
        description="`init` creates the topics; `external`: they are created elsewhere, and `init` needs no permission",
    )
    topic_partitions: int = Field(12, ge=1, le=1000, description="`init`: partitions of topics that do not exist yet")
    topic_replication: int = Field(3, ge=1, le=7, description="`init`: copies of topics that do not exist yet")
    topic_retention_max: Duration | None = Field(
        None, description="`init`: upper bound of every topic's retention, for short-lived test stacks"
    )
    mongo_url: Annotated[SecretStr, AfterValidator(mongodb_url)] = Field(
        description="MongoDB, a replica set: `mongodb://…`; a user and password in it are percent-encoded"
    )
    mongo_username: str | None = Field(None, description="MongoDB's user, if `MONGO_URL` has none")
    mongo_password: SecretStr | None = Field(None, description="its password, without encoding")
    mongo_database: str = Field(pattern=r"^[A-Za-z0-9_-]{1,38}$", description="the service's own database")
    mongo_driver: Literal["pymongo", "motor"] = Field("pymongo", description="the MongoDB driver")
    ca_bundle: Annotated[str, AfterValidator(pem_file)] | None = Field(
        None, description="a PEM file of authorities to trust for MongoDB, S3 and the JWKS URL beside the system's"
    )
    auth_jwks: str = Field(description="the issuer's key set: a URL or a file")
    auth_issuer: str = Field(description="the `iss` that tokens must have")
    auth_audience: str = Field(description="the `aud` that tokens must have")
    auth_user_claim: str = Field("sub", description="the claim that holds the user's id")
    ticket_keys: TicketKeys = Field(description="`id:secret,…`: the first signs tickets and cursors, all verify")
    story_lifetimes: Lifetimes = Field(
        (timedelta(hours=24),), description="allowed lifetimes of a story; the first is the default"
    )
    stale_after_ms: int = Field(
        2000, ge=100, le=60_000, description="how long a replica may go without reading a partition"
    )
    public_url: str = Field("http://127.0.0.1:8080", description="the gateway, as clients see it")
    cors_origins: Names = Field((), description="origins of browsers that may call; read by the gateway")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="the lowest level that is logged"
    )
    otel_exporter_otlp_endpoint: str | None = Field(
        None,
        pattern=r"^https?://",
        description="an OTLP collector that spans are sent to, `http://host:4318`; without it no span is created. "
        "OpenTelemetry's other variables apply then",
    )
    revision: str = Field("unknown", description="the build's revision, shown in metrics")
    host: str = Field("0.0.0.0", description="the address to listen on")  # noqa: S104
    port: int = Field(8000, ge=1, le=65535, description="the port to listen on")
    limit_reads: int = Field(1200, ge=1, description="reads a user may make in a minute, on each replica")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then files."""
        return init_settings, env_settings, FileSource(settings_cls)

    @property
    def ticket_secrets(self) -> tuple[tuple[str, bytes], ...]:
        """The ticket keys as bytes, the signing one first."""
        return tuple((key_id, secret.get_secret_value().encode()) for key_id, secret in self.ticket_keys)


class ObjectStoreSettings(BaseSettings):
    """Settings of the object store; a mix-in for a service's settings."""

    s3_endpoint: str = Field(description="the S3 store as services see it, `host:port`")
    s3_public_endpoint: str | None = Field(None, description="the S3 store as clients see it; default `S3_ENDPOINT`")
    s3_region: str = Field(
        "us-east-1", pattern=r"^[A-Za-z0-9-]{1,63}$", description="the region, signed into every request and URL"
    )
    s3_credentials: Literal["static", "auto"] = Field(
        "static",
        description="`static`: `S3_ACCESS_KEY` and `S3_SECRET_KEY`; `auto`: environment, web identity, instance role",
    )
    s3_access_key: SecretStr | None = Field(None, description="`static`: the S3 account", validate_default=True)
    s3_secret_key: SecretStr | None = Field(None, description="`static`: its secret", validate_default=True)
    s3_bucket: str = Field("stories", pattern=r"^[a-z0-9.-]{3,63}$", description="the bucket: private, unversioned")
    s3_secure: bool = Field(False, description="whether S3 is reached over TLS")

    @field_validator("s3_access_key", "s3_secret_key")
    @classmethod
    def required_if_static(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Static credentials are required."""
        if info.data.get("s3_credentials") == "static" and not (value and value.get_secret_value()):
            raise PydanticCustomError("missing", "is missing")
        return value

    @field_validator("s3_region")
    @classmethod
    def matches_endpoints(cls, value: str, info: ValidationInfo) -> str:
        """Amazon's endpoints name their region; signing for another one would fail."""
        for name in ("s3_endpoint", "s3_public_endpoint"):
            endpoint = info.data.get(name) or ""
            host = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}").hostname or ""
            if (named := AMAZON.search(host)) and named[1] != value:
                raise ValueError(f"{value} is not the region of {name.upper()}, {host}")
        return value


def load(kind: type[S], given: Mapping[str, Any] | None = None) -> S:
    """Read the settings of a service.

    Args:
        kind: the service's settings class.
        given: values by attribute name that win over the environment.

    Ends the process with status 2 and one line that names the setting where one is missing or wrong.
    """
    try:
        return kind(**(given or {}))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0]).upper() if first["loc"] else "settings"
        what = "is missing" if first["type"] == "missing" else first["msg"].removeprefix("Value error, ")
        print(f"{name}: {what}", file=sys.stderr)  # noqa: T201  (there is no log before the settings)
        raise SystemExit(2) from None
    except SettingsError as error:
        print(str(error.__cause__ or error), file=sys.stderr)  # noqa: T201
        raise SystemExit(2) from None

"""Connections to what a stack consists of, by its settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr
from pymongo import MongoClient
from stories_shared.kafka import Kafka
from stories_shared.settings import Settings, load
from stories_shared.topics import Topics

from .console import abort

SELECTION_MS = 5_000


class ClientSettings(Settings):
    """The settings that commands need: Kafka's. Others may be absent."""

    mongo_url: SecretStr = SecretStr("")
    mongo_database: str = ""
    auth_jwks: str = ""
    auth_issuer: str = ""
    auth_audience: str = ""
    ticket_keys: Any = Field(default=())


def kafka_settings(settings: Mapping[str, str]) -> ClientSettings:
    """Kafka's settings; ends the command with the name of what is missing or wrong."""
    known = {name: value for name in ClientSettings.model_fields if (value := get_setting(settings, name.upper()))}
    if "kafka_bootstrap_servers" not in known:
        abort(
            "KAFKA_BOOTSTRAP_SERVERS: is missing (no stack runs in --data, and neither environment nor --env-file says)"
        )
    return load(ClientSettings, known)


def get_setting(settings: Mapping[str, str], name: str) -> str | None:
    """A setting, or the text of the file that `NAME_FILE` names."""
    if value := settings.get(name):
        return value
    if path := settings.get(f"{name}_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            abort(f"{name}_FILE: {path}: {error.strerror}")
    return None


def require_setting(settings: Mapping[str, str], name: str) -> str:
    """A setting that must be there."""
    value = get_setting(settings, name)
    if not value:
        abort(f"{name}: is missing (no stack runs in --data, and neither environment nor --env-file says)")
    return value


def kafka(settings: Mapping[str, str]) -> tuple[Kafka, Topics]:
    """The brokers, and the topics as these settings want them."""
    read = kafka_settings(settings)
    return Kafka.of(read), Topics.for_settings(read)


def mongo(settings: Mapping[str, str]) -> MongoClient[Any]:
    """A client of the database server."""
    return MongoClient(require_setting(settings, "MONGO_URL"), serverSelectionTimeoutMS=SELECTION_MS, tz_aware=True)

"""Clients of Kafka, MongoDB and the object store, from the settings of an installation."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, SecretStr
from pymongo import MongoClient
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.topics import Topics
from stories_shared.mongo.client import client_options
from stories_shared.runtime.settings import ObjectStoreSettings, Settings, load
from stories_shared.s3.objects import Objects

from .console import abort

SELECTION_MS = 5_000

R = TypeVar("R", bound="ClientSettings")


class ClientSettings(Settings):
    """The settings that commands need: Kafka's. All others are optional."""

    mongo_url: SecretStr = SecretStr("")
    mongo_database: str = ""
    auth_jwks: str = ""
    auth_issuer: str = ""
    auth_audience: str = ""
    ticket_keys: Any = Field(default=())


class ObjectClientSettings(ClientSettings, ObjectStoreSettings):
    """The same with the settings of the object store."""


def read(kind: type[R], settings: Mapping[str, str]) -> R:
    """Settings of a class. Ends the command with the name of a missing or invalid setting."""
    known = {name: value for name in kind.model_fields if (value := get_setting(settings, name.upper()))}
    if "kafka_bootstrap_servers" not in known:
        abort("KAFKA_BOOTSTRAP_SERVERS: is missing (no stack runs in --data; set it in the environment or --env-file)")
    return load(kind, known)


def get_setting(settings: Mapping[str, str], name: str) -> str | None:
    """A setting, or the content of the file that `NAME_FILE` names."""
    if value := settings.get(name):
        return value
    if path := settings.get(f"{name}_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            abort(f"{name}_FILE: {path}: {error.strerror}")
    return None


def require_setting(settings: Mapping[str, str], name: str) -> str:
    """A required setting."""
    value = get_setting(settings, name)
    if not value:
        abort(f"{name}: is missing (no stack runs in --data; set it in the environment or --env-file)")
    return value


def kafka(settings: Mapping[str, str]) -> tuple[Kafka, Topics]:
    """The brokers, and the topics according to the settings."""
    found = read(ClientSettings, settings)
    return Kafka.of(found), Topics.for_settings(found)


def mongo(settings: Mapping[str, str]) -> MongoClient[Any]:
    """A MongoDB client."""
    url = require_setting(settings, "MONGO_URL")
    account = get_setting(settings, "MONGO_USERNAME"), get_setting(settings, "MONGO_PASSWORD")
    with client_options(url, *account, get_setting(settings, "CA_BUNDLE")) as options:
        return MongoClient(url, serverSelectionTimeoutMS=SELECTION_MS, tz_aware=True, **options)


def bucket(settings: Mapping[str, str]) -> Objects:
    """A client of the object store."""
    require_setting(settings, "S3_ENDPOINT")
    store = read(ObjectClientSettings, settings)
    return Objects.of(store, store.ca_bundle)

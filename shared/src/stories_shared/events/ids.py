"""Ids: UUIDv7 (RFC 9562), which sort by creation time."""

import re

import uuid_utils

USER_ID = r"^[A-Za-z0-9][A-Za-z0-9_.:@|+~-]{0,127}\Z"  # contract
UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z"
IS_UUID = re.compile(UUID).match


def new_id() -> str:
    """A new UUIDv7 as 36 lower-case characters."""
    return str(uuid_utils.uuid7())


def is_id(value: str) -> bool:
    """Whether a string is a lower-case RFC 9562 UUID of any version."""
    return IS_UUID(value) is not None


def deterministic_id(identity: str) -> str:
    """A UUIDv5 of an event's identity: the same at every redelivery."""
    return str(uuid_utils.uuid5(uuid_utils.NAMESPACE_URL, identity))

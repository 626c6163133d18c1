"""A connection to Kafka that is gone fails what is sent over it, on every event loop.

uvloop raises ``RuntimeError`` for a write to a connection that was reset a moment ago; asyncio passes over it. aiokafka
expects an ``OSError`` there (its issue 1038). What comes as anything else ends its client's own tasks without a word:
the one that learns where partitions are, after which every question to that client waits for ever, or the one that
fetches, or the one that keeps its place in the group.
"""

import functools
from collections.abc import Callable
from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError


def patch_connection_errors() -> None:
    """Let every connection of this process report a refused write as a broken connection. May be called again."""
    for name in ("send", "_send_sasl_token"):
        send = getattr(AIOKafkaConnection, name)
        if not hasattr(send, "__wrapped__"):
            setattr(AIOKafkaConnection, name, reporting(send))


def reporting(send: Callable[..., Any]) -> Callable[..., Any]:
    """The same way of sending, whose ``RuntimeError`` is a ``KafkaConnectionError`` and closes the connection."""

    @functools.wraps(send)
    def sending(connection: Any, *request: Any, **options: Any) -> Any:
        try:
            return send(connection, *request, **options)
        except RuntimeError as error:
            connection.close(reason=CloseReason.CONNECTION_BROKEN, exc=error)
            raise KafkaConnectionError(f"Connection at {connection.host}:{connection.port} broken: {error}") from error

    return sending

"""Makes a write to a closed Kafka connection fail with a connection error on every event loop.

For a write to a connection that was just reset, uvloop raises ``RuntimeError``; asyncio ignores it. aiokafka expects an
``OSError`` (its issue 1038). Any other error silently ends one of its background tasks: the metadata refresh, after
which every request waits for ever, the fetcher or the group's heartbeat.
"""

import functools
from collections.abc import Callable
from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError


def patch_connection_errors() -> None:
    """Report a failed write as a broken connection on every connection of this process. Idempotent."""
    for name in ("send", "_send_sasl_token"):
        send = getattr(AIOKafkaConnection, name)
        if not hasattr(send, "__wrapped__"):
            setattr(AIOKafkaConnection, name, reporting(send))


def reporting(send: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a send method: a ``RuntimeError`` closes the connection and becomes a ``KafkaConnectionError``."""

    @functools.wraps(send)
    def sending(connection: Any, *request: Any, **options: Any) -> Any:
        try:
            return send(connection, *request, **options)
        except RuntimeError as error:
            connection.close(reason=CloseReason.CONNECTION_BROKEN, exc=error)
            raise KafkaConnectionError(f"Connection at {connection.host}:{connection.port} broken: {error}") from error

    return sending

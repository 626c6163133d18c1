"""Kafka's admin client in tests, through the moments in which a broker is missing."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from stories_shared.kafka.client import Kafka

RETRY_S, PAUSE_S = 90.0, 0.5
T = TypeVar("T")


async def administer(
    kafka: Kafka | str, act: Callable[[AIOKafkaAdminClient], Awaitable[T]], within_s: float = RETRY_S
) -> T:
    """What an act with an admin client returns. It is repeated with a new client while a broker is missing.

    aiokafka sends a request to any broker that metadata names, and repeats nothing. After a broker was frozen for
    longer than its session, metadata names none for a moment, or one that does not answer.

    Args:
        kafka: the brokers, or their addresses if they ask for nothing.
        act: may run more than once.
        within_s: after so many seconds the last error is raised.
    """
    brokers = Kafka(kafka) if isinstance(kafka, str) else kafka
    deadline = time.monotonic() + within_s
    while True:
        admin = brokers.admin()
        try:
            await admin.start()
            return await act(admin)
        except (KafkaError, OSError, TimeoutError, AssertionError):
            if time.monotonic() > deadline:
                raise
        finally:
            with contextlib.suppress(KafkaError, OSError):
                await admin.close()
        await asyncio.sleep(PAUSE_S)

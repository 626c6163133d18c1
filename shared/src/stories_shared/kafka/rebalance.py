"""Rebalance listener: the batch in progress ends before partitions are revoked."""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from aiokafka import ConsumerRebalanceListener, TopicPartition

from stories_shared.runtime.logging import logger

log = logger(__name__)

# The group waits for a member no longer than SESSION_MS; committing and joining need some of that.
REVOKE_TIMEOUT_S = 4.0


class RebalanceListener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Delays a rebalance until this member's batch in progress is handled and committed.

    Otherwise the next owner of the partitions would repeat records that were just handled.
    """

    def __init__(self) -> None:
        self.rebalancing = asyncio.Event()
        """Set during a rebalance: a batch in progress should end after its current record."""
        self.breakers: dict[TopicPartition, Any] = {}
        """The circuit breakers of the group, by partition; removed with the partition."""
        self._idle = asyncio.Event()
        self._idle.set()

    @contextlib.contextmanager
    def batch_in_progress(self) -> Iterator[None]:
        """Mark a batch as in progress until it is committed or returned."""
        self._idle.clear()
        try:
            yield
        finally:
            self._idle.set()

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Wait for the batch in progress, but not so long that the group expels this member."""
        self.rebalancing.set()
        try:
            async with asyncio.timeout(REVOKE_TIMEOUT_S):
                await self._idle.wait()
        except TimeoutError:
            names = sorted(f"{partition.topic}/{partition.partition}" for partition in revoked)
            log.warning("rebalance_timeout", partitions=names)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Remove the breakers of lost partitions; a partition that is assigned again keeps its breaker."""
        for lost in self.breakers.keys() - set(assigned):
            del self.breakers[lost]
        self.rebalancing.clear()

"""A subscriber's place in its group: what is in hand comes to its end before partitions change hands."""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from aiokafka import ConsumerRebalanceListener, TopicPartition

from stories_shared.runtime.logging import logger

log = logger(__name__)

# The group waits for its members as long as for a lost one (SESSION_MS); acknowledging and joining need some of that.
REVOKE_TIMEOUT_S = 4.0


class RebalanceListener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Told by aiokafka that the group changes, it holds the member back until its batch is finished and acknowledged.

    Else whoever gets the partitions, the member itself included, would do again what was finished a moment ago.
    """

    def __init__(self) -> None:
        self.changing = asyncio.Event()
        """Set while the group changes: a batch in hand should end with the record it is at."""
        self.breakers: dict[TopicPartition, Any] = {}
        """The breakers of the group, by partition; one goes with its partition."""
        self._free = asyncio.Event()
        self._free.set()

    @contextlib.contextmanager
    def batch_in_progress(self) -> Iterator[None]:
        """A batch is in hand until it is acknowledged or handed back."""
        self._free.clear()
        try:
            yield
        finally:
            self._free.set()

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Wait for the batch in hand, but not so long that the group goes on without this member."""
        self.changing.set()
        try:
            async with asyncio.timeout(REVOKE_TIMEOUT_S):
                await self._free.wait()
        except TimeoutError:
            places = sorted(f"{place.topic}/{place.partition}" for place in revoked)
            log.warning("rebalance_timeout", partitions=places)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """The group has settled. A partition that comes back, as most do, still has its breaker."""
        for gone in self.breakers.keys() - set(assigned):
            del self.breakers[gone]
        self.changing.clear()

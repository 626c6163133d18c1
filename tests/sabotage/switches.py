"""Switches that each disable one safeguard of the product, only in a test run that loads this plugin.

`pytest -p tests.sabotage.switches` with `STORIES_TEST_SABOTAGE=<name>` patches the process of the tests. No module of
the product knows of it.
"""

import dataclasses
import os
from collections.abc import Callable
from typing import Any

SABOTAGE = "STORIES_TEST_SABOTAGE"


def acknowledge_first() -> None:
    """FastStream's default: the offset is committed before the record is processed."""
    from faststream import AckPolicy
    from stories_shared.kafka import subscriber

    class Policy:
        NACK_ON_ERROR = AckPolicy.ACK_FIRST

    subscriber.AckPolicy = Policy  # type: ignore[attr-defined]


def framework_reads_headers() -> None:
    """FastStream's own parser and decoder, which interpret headers and values."""
    from faststream.kafka import KafkaRouter

    subscriber = KafkaRouter.subscriber

    def plain(self: Any, *topics: Any, **options: Any) -> Any:
        options.pop("parser", None)
        options.pop("decoder", None)
        return subscriber(self, *topics, **options)

    KafkaRouter.subscriber = plain  # type: ignore[method-assign]


def mark_cleared_unconditionally() -> None:
    """The relay clears the outbox of every published document, also if it has changed since."""
    from pymongo import UpdateOne
    from stories_shared.mongo import outbox

    def unconditional(query: dict[str, Any], update: dict[str, Any]) -> Any:
        return UpdateOne({"_id": query["_id"]}, update)

    outbox.UpdateOne = unconditional  # type: ignore[attr-defined]


def views_without_transaction() -> None:
    """A batch of views reads and writes outside of a transaction."""
    from stories_shared.mongo.client import Mongo

    async def without_transaction(_mongo: Any, operation: Any) -> Any:
        return await operation(None)

    Mongo.transaction = without_transaction  # type: ignore[method-assign]


def no_overdue_look() -> None:
    """Expiry does not look for overdue timers."""
    from stories_expiry.jobs import OverdueSweep

    async def nothing(_self: Any) -> None:
        return None

    OverdueSweep.__call__ = nothing  # type: ignore[method-assign]


def index_starts_after_its_snapshot() -> None:
    """The live index reads the end offsets after it has read the store, not before."""
    from stories_feed.usecases.stories import LoadIndex

    load = LoadIndex.__call__

    async def nowhere() -> dict[tuple[str, int], int]:
        return {}

    async def late(self: Any) -> Any:
        await load(dataclasses.replace(self, committed=nowhere))
        return await self.committed()

    LoadIndex.__call__ = late  # type: ignore[method-assign]


def ended_marks_ignored() -> None:
    """The store of feed finds no tombstones."""
    from stories_feed.store.stories import MongoStories

    async def none_of_them(_self: Any, _story_ids: Any) -> set[str]:
        return set()

    async def none_at_all(_self: Any, _since: Any) -> list[Any]:
        return []

    MongoStories._ended_among = none_of_them  # type: ignore[method-assign,assignment]
    MongoStories.deleted_since = none_at_all  # type: ignore[method-assign]


def staleness_not_judged() -> None:
    """A replica treats its state as fresh, however long it has consumed nothing."""
    from stories_shared.kafka.log_tail import LogTail

    LogTail.stale = lambda _self, _key: False  # type: ignore[method-assign]


SWITCHES: dict[str, Callable[[], None]] = {
    switch.__name__: switch
    for switch in (
        acknowledge_first,
        framework_reads_headers,
        mark_cleared_unconditionally,
        views_without_transaction,
        no_overdue_look,
        index_starts_after_its_snapshot,
        ended_marks_ignored,
        staleness_not_judged,
    )
}


def pytest_configure() -> None:
    """Enable the switch. The servers are those of the parent run."""
    name = os.environ.get(SABOTAGE)
    if name:
        SWITCHES[name]()

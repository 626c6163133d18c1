"""Point reads of concurrent requests, batched: about ten times the throughput of a ``find_one`` each."""

import asyncio
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.errors import AutoReconnect

from stories_shared.mongo.client import Collection, Document

# New ids wait no longer than this for a query in progress.
MAX_BATCH_WAIT_S = 0.02
# Under load queries of one kind begin apart, so that more requests share one: a query costs a tenth of a millisecond
# beside its documents. The interval grows with those that shared the last query; one that was alone delays none.
INTERVAL_PER_CALLER_S, MAX_INTERVAL_S = 0.0005, 0.005


class DataLoader:
    """Point reads of one collection by ``_id``.

    Ids requested in one iteration of the event loop share one ``$in``. While a query runs, further ids are collected,
    so the number of queries does not grow with the load.

    Args:
        collection: the collection to read.
        projection: which fields, as ``find`` takes it.
        at_most: ids per query, so that one result stays bounded.
    """

    def __init__(
        self, collection: Collection, projection: Mapping[str, Any] | None = None, at_most: int = 1_000
    ) -> None:
        self.collection = collection
        self.projection = projection
        self.at_most = at_most
        self._requested: set[Any] = set()
        self._waiting: list[asyncio.Future[dict[Any, Document]]] = []
        self._scheduled: asyncio.Handle | None = None
        self._queries: set[asyncio.Task[None]] = set()
        self._next_query_at = 0.0

    async def get(self, document_id: Any) -> Document | None:
        """The document or None. Callers share it: do not change it."""
        return (await self._found((document_id,))).get(document_id)

    async def get_many(self, document_ids: Iterable[Any]) -> dict[Any, Document]:
        """The documents that exist, by id. Callers share them: do not change them."""
        wanted = list(document_ids)
        return chosen(wanted, await self._found(wanted)) if wanted else {}

    def request(self, document_ids: Sequence[Any]) -> "Requested":
        """`get_many`, asked for now and awaited later: two of them in one request need no tasks of their own."""
        return Requested(document_ids, self._found(document_ids))

    def _found(self, document_ids: Iterable[Any]) -> asyncio.Future[dict[Any, Document]]:
        """The documents of all callers that share a query with this one."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[dict[Any, Document]] = loop.create_future()
        if not self._waiting:
            wait_s = MAX_BATCH_WAIT_S if self._queries else self._until_next(loop)
            self._scheduled = (
                loop.call_later(wait_s, self._start_query) if wait_s > 0 else loop.call_soon(self._start_query)
            )
        self._requested.update(document_ids)
        self._waiting.append(answer)
        return answer

    def _until_next(self, loop: asyncio.AbstractEventLoop) -> float:
        """Seconds until the next query may begin."""
        return self._next_query_at - loop.time()

    def _start_query(self) -> None:
        if not self._waiting:
            return
        interval_s = min(MAX_INTERVAL_S, INTERVAL_PER_CALLER_S * (len(self._waiting) - 1))
        self._next_query_at = asyncio.get_running_loop().time() + interval_s
        if self._scheduled is not None:
            self._scheduled.cancel()
        task = asyncio.create_task(self._query(list(self._requested), self._waiting))
        self._requested, self._waiting, self._scheduled = set(), [], None
        self._queries.add(task)
        task.add_done_callback(self._query_done)

    def _query_done(self, task: asyncio.Task[None]) -> None:
        self._queries.discard(task)
        if not self._queries and self._waiting:
            loop = asyncio.get_running_loop()
            if (wait_s := self._until_next(loop)) <= 0:
                self._start_query()
                return
            if self._scheduled is not None:
                self._scheduled.cancel()
            self._scheduled = loop.call_later(wait_s, self._start_query)

    async def _query(self, ids: Sequence[Any], waiting: Sequence[asyncio.Future[dict[Any, Document]]]) -> None:
        shares = [ids[start : start + self.at_most] for start in range(0, len(ids), self.at_most)]
        try:
            found = await asyncio.gather(*map(self._find, shares)) if shares[1:] else [await self._find(shares[0])]
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  (it is passed to every caller)
            # The driver cancels reads of a connection that it closes; callers would wait for ever.
            closed = isinstance(error, asyncio.CancelledError)
            failure = AutoReconnect("the connection was closed") if closed else error
            for answer in waiting:
                if not answer.done():
                    answer.set_exception(failure)
                    answer.exception()  # marks it as retrieved: asyncio would log it if the caller was cancelled
            return
        documents = {document["_id"]: document for share in found for document in share}
        for answer in waiting:
            if not answer.done():
                answer.set_result(documents)

    async def _find(self, document_ids: Sequence[Any]) -> list[Document]:
        # All in one batch: by default the server sends 101 documents and has the rest asked for.
        query = {"_id": {"$in": list(document_ids)}}
        return await self.collection.find(query, self.projection, batch_size=self.at_most + 1).to_list(None)


@dataclass(frozen=True, slots=True)
class Requested:
    """Documents that a query is about to read. It may be left without being awaited."""

    ids: Sequence[Any]
    found: asyncio.Future[dict[Any, Document]]

    def __await__(self) -> Generator[Any, None, dict[Any, Document]]:
        return chosen(self.ids, (yield from self.found.__await__()))


def chosen(ids: Sequence[Any], found: Mapping[Any, Document]) -> dict[Any, Document]:
    """The documents with these ids, among those of all callers of a query."""
    return {document_id: found[document_id] for document_id in ids if document_id in found}

"""MongoDB behind one seam: PyMongo's asynchronous client or Motor, by setting.

Only what both drivers have in common is used by stores; the few calls in which they differ (sessions, aggregation,
closing) are here. Times come back aware, UTC, in milliseconds.
"""

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import parse_qsl

from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient, IndexModel, ReadPreference, WriteConcern
from pymongo.asynchronous import pool, topology
from pymongo.errors import CollectionInvalid, OperationFailure, PyMongoError
from pymongo.monitoring import CommandListener
from pymongo.read_concern import ReadConcern

from stories_shared.clock import Clock, system_now
from stories_shared.mongo.indexes import ensure_indexes
from stories_shared.runtime.settings import Settings
from stories_shared.tls import ca_file

if TYPE_CHECKING:
    from pymongo.asynchronous.client_session import AsyncClientSession
    from pymongo.asynchronous.collection import AsyncCollection

T = TypeVar("T")
Driver = Literal["pymongo", "motor"]
Document = dict[str, Any]

if TYPE_CHECKING:
    Collection = AsyncCollection[Document]
    Session = AsyncClientSession
else:
    Collection = Any
    Session = Any

# HTTP must answer 503 within 3 s, so a server that does not answer is given up before.
SELECTION_TIMEOUT_MS = 2_000
SOCKET_TIMEOUT_MS = 20_000
# The drivers' own loop goes on for two minutes; whoever calls decides whether to wait that long.
TRANSACTION_TIMEOUT_S = 2.0
FIRST_PAUSE_S, LAST_PAUSE_S = 0.005, 0.2
NAMESPACE_EXISTS = 48


def _client_class(driver: Driver) -> Any:
    """The driver's client; Motor is loaded only where it is asked for, a twentieth of a service's start."""
    if driver == "pymongo":
        return AsyncMongoClient
    from motor.motor_asyncio import AsyncIOMotorClient

    return AsyncIOMotorClient


@contextmanager
def client_options(
    url: str, username: str | None, password: str | None, ca_bundle: str | None
) -> Iterator[dict[str, Any]]:
    """What a client is given beside its URL; it reads the authorities while it is made."""
    options: dict[str, Any] = {"username": username, "password": password} if username else {}
    if ca_bundle and over_tls(url):
        with ca_file(ca_bundle) as path:
            yield options | {"tlsCAFile": path}
    else:
        yield options


def over_tls(url: str) -> bool:
    """Whether a URL asks for TLS, and leaves it to us whom to trust."""
    asked = dict(parse_qsl(url.partition("?")[2].lower()))
    return asked.get("tls", asked.get("ssl", str(url.startswith("mongodb+srv:")).lower())) == "true" and (
        "tlscafile" not in asked
    )


async def _cond_wait_same_task(condition: Any, seconds: float | None) -> bool:
    """Wait for a condition in the task that holds its lock; False when the time is over.

    PyMongo 4.20 waits by ``asyncio.wait_for``, which before Python 3.12 does so in a task of its own: a request that is
    given up at the same moment lets go of a lock that this task has not taken back, and then the client is wedged for
    good ("Lock is not acquired", seen within seconds of a dead server).
    """
    try:
        async with asyncio.timeout(seconds):
            return bool(await condition.wait())
    except TimeoutError:
        return False


if sys.version_info < (3, 12):
    for waiting in (pool, topology):
        setattr(waiting, "_async_cond_wait", _cond_wait_same_task)  # noqa: B010  (a name that types do not know)


class Mongo:
    """One service's database."""

    def __init__(self, client: Any, database: str, now: Clock = system_now) -> None:
        self.client = client
        self.now = now
        self.drop_superseded = False
        """Whether `ensure_indexes` drops what an earlier release left, which no process needs any more."""
        self.database = client.get_database(
            database,
            codec_options=CodecOptions(tz_aware=True, tzinfo=UTC),
            write_concern=WriteConcern(w="majority", j=True),
            read_concern=ReadConcern("majority"),
            read_preference=ReadPreference.PRIMARY,
        )

    @classmethod
    def connect(
        cls,
        url: str,
        database: str,
        driver: Driver = "pymongo",
        now: Clock = system_now,
        listeners: Sequence[CommandListener] = (),
        *,
        username: str | None = None,
        password: str | None = None,
        ca_bundle: str | None = None,
    ) -> "Mongo":
        """A client for a replica set; it connects when it is first used.

        Args:
            url: ``mongodb://…``.
            database: the service's own.
            driver: ``pymongo`` or ``motor``.
            now: the clock that is compared with the server's.
            listeners: hear of every command.
            username: the user, where the URL names none.
            password: the user's, as it is.
            ca_bundle: a PEM file of authorities beside the system's, where the URL asks for TLS.
        """
        with client_options(url, username, password, ca_bundle) as options:
            client = _client_class(driver)(
                url,
                tz_aware=True,
                serverSelectionTimeoutMS=SELECTION_TIMEOUT_MS,
                connectTimeoutMS=SELECTION_TIMEOUT_MS,
                socketTimeoutMS=SOCKET_TIMEOUT_MS,
                heartbeatFrequencyMS=2_000,
                retryWrites=True,
                retryReads=True,
                appname="stories",
                event_listeners=list(listeners),
                **options,
            )
        return cls(client, database, now)

    @classmethod
    def of(cls, settings: Settings, now: Clock = system_now, listeners: Sequence[CommandListener] = ()) -> "Mongo":
        """The database that the settings name."""
        password = settings.mongo_password
        return cls.connect(
            settings.mongo_url.get_secret_value(),
            settings.mongo_database,
            settings.mongo_driver,
            now,
            listeners,
            username=settings.mongo_username,
            password=password.get_secret_value() if password else None,
            ca_bundle=settings.ca_bundle,
        )

    def __getitem__(self, name: str) -> Collection:
        collection: Collection = self.database[name]
        return collection

    async def close(self) -> None:
        """Close every connection."""
        closing = self.client.close()
        if closing is not None:
            await closing

    async def transaction(self, verb: Callable[[Session], Awaitable[T]]) -> T:
        """Run a verb in a transaction (snapshot reads, majority writes) and return what it returns.

        It is run again where the server says that another try may succeed, so it must build its own state anew each
        time; every call inside takes ``session=``. After two seconds of that the last error is raised.
        """
        started = self.client.start_session()
        session: Any = await started if hasattr(started, "__await__") else started
        until, pause = time.monotonic() + TRANSACTION_TIMEOUT_S, FIRST_PAUSE_S
        async with session:
            while True:
                try:
                    return await self._attempt(session, verb, until)
                except PyMongoError as error:
                    if not error.has_error_label("TransientTransactionError") or time.monotonic() > until:
                        raise
                await asyncio.sleep(pause * random.random())  # noqa: S311
                pause = min(pause * 1.5, LAST_PAUSE_S)

    async def _attempt(self, session: Any, verb: Callable[[Session], Awaitable[T]], until: float) -> T:
        """One try; a commit whose outcome is unknown is asked for again, which is safe."""
        begun = session.start_transaction(
            read_concern=ReadConcern("snapshot"),
            write_concern=WriteConcern(w="majority", j=True),
            read_preference=ReadPreference.PRIMARY,
        )
        if hasattr(begun, "__await__"):
            await begun
        try:
            result = await verb(session)
        except BaseException:
            if session.in_transaction:
                await session.abort_transaction()
            raise
        while True:
            try:
                await session.commit_transaction()
            except PyMongoError as error:
                if not error.has_error_label("UnknownTransactionCommitResult") or time.monotonic() > until:
                    raise
            else:
                return result

    async def aggregate(
        self, collection: Collection, pipeline: Sequence[Mapping[str, Any]], session: Session | None = None
    ) -> list[Document]:
        """All results of a pipeline; keep it bounded with ``$limit``."""
        cursor: Any = collection.aggregate(list(pipeline), session=session)
        if hasattr(cursor, "__await__"):
            cursor = await cursor
        found: list[Document] = await cursor.to_list(None)
        return found

    async def ensure(self, name: str, *indexes: IndexModel, **options: Any) -> None:
        """Make a collection with its options (``clusteredIndex``, …) and indexes where they are not there yet.

        An index whose definition is another than an earlier release's is built beside that (see ``indexes``).
        """
        try:
            await self.database.create_collection(name, **options)
        except CollectionInvalid:
            pass
        except OperationFailure as error:
            if error.code != NAMESPACE_EXISTS:
                raise
        await ensure_indexes(self.database, name, indexes, settle=self.drop_superseded)

    async def ping(self) -> None:
        """Ask the primary for a sign of life."""
        await self.client.admin.command("ping")

    async def skew_seconds(self) -> float:
        """This process's clock minus the primary's, in seconds; uncertain by half the round trip."""
        before = self.now()
        hello = await self.client.admin.command("hello")
        after = self.now()
        middle = before + (after - before) / 2
        theirs: datetime = hello["localTime"]
        if theirs.tzinfo is None:
            theirs = theirs.replace(tzinfo=UTC)
        return (middle - theirs).total_seconds()


# A query that takes longer than this holds up nobody any more.
HELD_UP_S = 0.02


class DataLoader:
    """Point reads by ``_id`` that many requests share: about ten times the throughput of a ``find_one`` each.

    What is asked for in one turn of the event loop goes into one ``$in``. While a query is under way the next ones are
    collected, so that the more is asked for, the fewer queries there are for it.

    Args:
        collection: where to look.
        projection: which fields, as ``find`` takes it.
        at_most: ids per query, so that one answer stays bounded.
    """

    def __init__(
        self, collection: Collection, projection: Mapping[str, Any] | None = None, at_most: int = 1_000
    ) -> None:
        self.collection = collection
        self.projection = projection
        self.at_most = at_most
        self._wanted: set[Any] = set()
        self._waiting: list[asyncio.Future[dict[Any, Document]]] = []
        self._asking: asyncio.Handle | None = None
        self._queries: set[asyncio.Task[None]] = set()

    async def get(self, document_id: Any) -> Document | None:
        """The document, or None where there is none. Callers share it: do not change it."""
        return (await self._found((document_id,))).get(document_id)

    async def get_many(self, document_ids: Iterable[Any]) -> dict[Any, Document]:
        """The documents that exist, by id. Callers share them: do not change them."""
        wanted = list(document_ids)
        if not wanted:
            return {}
        found = await self._found(wanted)
        return {document_id: found[document_id] for document_id in wanted if document_id in found}

    def _found(self, document_ids: Iterable[Any]) -> asyncio.Future[dict[Any, Document]]:
        """The documents of everyone who shares a query with this caller."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[dict[Any, Document]] = loop.create_future()
        if not self._waiting:
            self._asking = loop.call_later(HELD_UP_S, self._ask) if self._queries else loop.call_soon(self._ask)
        self._wanted.update(document_ids)
        self._waiting.append(answer)
        return answer

    def _ask(self) -> None:
        if not self._waiting:
            return
        if self._asking is not None:
            self._asking.cancel()
        task = asyncio.create_task(self._query(list(self._wanted), self._waiting))
        self._wanted, self._waiting, self._asking = set(), [], None
        self._queries.add(task)
        task.add_done_callback(self._asked)

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._queries.discard(task)
        if not self._queries:
            self._ask()

    async def _query(self, wanted: Sequence[Any], waiting: Sequence[asyncio.Future[dict[Any, Document]]]) -> None:
        shares = [wanted[start : start + self.at_most] for start in range(0, len(wanted), self.at_most)]
        try:
            found = await asyncio.gather(*map(self._find, shares)) if shares[1:] else [await self._find(shares[0])]
        except Exception as error:  # noqa: BLE001  (it is handed to everyone who waits)
            for answer in waiting:
                if not answer.done():
                    answer.set_exception(error)
                    answer.exception()  # told: asyncio would log it where nobody waits any more
            return
        documents = {document["_id"]: document for share in found for document in share}
        for answer in waiting:
            if not answer.done():
                answer.set_result(documents)

    async def _find(self, document_ids: Sequence[Any]) -> list[Document]:
        return await self.collection.find({"_id": {"$in": list(document_ids)}}, self.projection).to_list(None)

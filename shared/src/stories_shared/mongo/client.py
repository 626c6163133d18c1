"""MongoDB through PyMongo's asynchronous client or Motor, by setting.

Stores use only what both drivers share; the calls that differ (sessions, aggregation, closing) are wrapped here. Times
are returned aware, in UTC, with milliseconds.
"""

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from inspect import isawaitable
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

# HTTP must answer 503 within 3 s, so server selection times out before.
SELECTION_TIMEOUT_MS = 2_000
SOCKET_TIMEOUT_MS = 20_000
# The drivers' own retry loop takes two minutes; callers decide whether to retry longer.
TRANSACTION_TIMEOUT_S = 2.0
FIRST_PAUSE_S, LAST_PAUSE_S = 0.005, 0.2
NAMESPACE_EXISTS = 48


def _client_class(driver: Driver) -> Any:
    """The driver's client class; Motor is imported only if it is used, since that takes a twentieth of the start-up."""
    if driver == "pymongo":
        return AsyncMongoClient
    from motor.motor_asyncio import AsyncIOMotorClient

    return AsyncIOMotorClient


@contextmanager
def client_options(
    url: str, username: str | None, password: str | None, ca_bundle: str | None
) -> Iterator[dict[str, Any]]:
    """Options of a client beside its URL; the CA file exists only while the client is created."""
    options: dict[str, Any] = {"username": username, "password": password} if username else {}
    if ca_bundle and over_tls(url):
        with ca_file(ca_bundle) as path:
            yield options | {"tlsCAFile": path}
    else:
        yield options


def over_tls(url: str) -> bool:
    """Whether a URL enables TLS and names no CA file of its own."""
    options = dict(parse_qsl(url.partition("?")[2].lower()))
    return options.get("tls", options.get("ssl", str(url.startswith("mongodb+srv:")).lower())) == "true" and (
        "tlscafile" not in options
    )


async def _cond_wait_same_task(condition: Any, seconds: float | None) -> bool:
    """Wait for a condition in the task that holds its lock; False on timeout.

    PyMongo 4.20 uses ``asyncio.wait_for``, which before Python 3.12 waits in another task. A request that is cancelled
    at the same moment then releases a lock that this task has not taken back, and the client stops working for good
    ("Lock is not acquired", seen within seconds of a dead server).
    """
    try:
        async with asyncio.timeout(seconds):
            return bool(await condition.wait())
    except TimeoutError:
        return False


if sys.version_info < (3, 12):
    for waiting in (pool, topology):
        setattr(waiting, "_async_cond_wait", _cond_wait_same_task)  # noqa: B010  (a name that types do not know)


async def awaited(value: Any) -> Any:
    """The value of a call that one driver makes a coroutine and the other does not."""
    return await value if isawaitable(value) else value


class Mongo:
    """One service's database."""

    def __init__(self, client: Any, database: str, now: Clock = system_now) -> None:
        self.client = client
        self.now = now
        self.drop_superseded = False
        """Whether `ensure_indexes` drops superseded indexes of an earlier release."""
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
            listeners: called for every command.
            username: the user, if the URL names none.
            password: the user's password, not encoded.
            ca_bundle: a PEM file of authorities beside the system's, if the URL enables TLS.
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
        await awaited(self.client.close())

    async def transaction(self, callback: Callable[[Session], Awaitable[T]]) -> T:
        """Run a callback in a transaction (snapshot reads, majority writes) and return its result.

        The callback is retried after transient errors: it must build its state anew each time. Every call in it takes
        ``session=``. After two seconds of retries the last error is raised.
        """
        session = await awaited(self.client.start_session())
        until, pause = time.monotonic() + TRANSACTION_TIMEOUT_S, FIRST_PAUSE_S
        async with session:
            while True:
                try:
                    return await self._attempt(session, callback, until)
                except PyMongoError as error:
                    if not error.has_error_label("TransientTransactionError") or time.monotonic() > until:
                        raise
                await asyncio.sleep(pause * random.random())  # noqa: S311
                pause = min(pause * 1.5, LAST_PAUSE_S)

    async def _attempt(self, session: Any, callback: Callable[[Session], Awaitable[T]], until: float) -> T:
        """One attempt; a commit with an unknown result is retried, which is safe."""
        begun = session.start_transaction(
            read_concern=ReadConcern("snapshot"),
            write_concern=WriteConcern(w="majority", j=True),
            read_preference=ReadPreference.PRIMARY,
        )
        await awaited(begun)
        try:
            result = await callback(session)
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
        cursor = await awaited(collection.aggregate(list(pipeline), session=session))
        found: list[Document] = await cursor.to_list(None)
        return found

    async def ensure(self, name: str, *indexes: IndexModel, **options: Any) -> None:
        """Create a collection with its options (``clusteredIndex``, …) and the missing indexes.

        An index whose definition has changed since an earlier release is built beside the old one (see ``indexes``).
        """
        try:
            await self.database.create_collection(name, **options)
        except CollectionInvalid:
            pass
        except OperationFailure as error:
            if error.code != NAMESPACE_EXISTS:
                raise
        await ensure_indexes(self.database, name, indexes, settle=self.drop_superseded)

    async def check_access(self) -> None:
        """Read from the database: `hello` and `ping` are answered without a user too, and to one without rights."""
        await self.database["readiness"].find_one({"_id": None})

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

"""mongod as a replica set, usually of one, so that transactions work."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import paths
from .server import Server

if TYPE_CHECKING:
    from pymongo import MongoClient

REPLICA_SET = "stories"
UNAUTHORIZED, NOT_YET_INITIALIZED = 13, 94
NEVER_MS = 2**31 - 1
"""A slow-query log entry contains what the query writes, such as captions. So no query counts as slow."""

TRANSACTION_S = 10
"""An open transaction of a killed process locks what it has written until the server aborts it, by default after 60 to
90 seconds. Services repeat one of their own that is aborted."""


@dataclass(frozen=True)
class SecuredMongod:
    """What a mongod has that serves only users, and only over TLS.

    `certificate`: a PEM file of its key and certificate. `authority`: the PEM file of who signed it. `key`: a file with
    a password that the members of a replica set share and nobody else may read. As long as there is no user, a client
    on the same machine may make the first one.
    """

    certificate: Path
    authority: Path
    key: Path

    def options(self) -> Sequence[str]:
        """Options of the command line."""
        return (
            *("--tlsMode", "requireTLS", "--tlsAllowConnectionsWithoutCertificates"),
            *("--tlsCertificateKeyFile", str(self.certificate), "--tlsCAFile", str(self.authority)),
            *("--auth", "--keyFile", str(self.key)),
        )


@dataclass
class Mongod(Server):
    """One mongod. If `port` differs from the one in its data folder, the replica set is reconfigured.

    `members`: the ports of a replica set of several, which the first one makes; alone, it is a replica set of one.
    `secured`: with it, only users are served, and only over TLS.
    """

    data: Path
    port: int
    members: Sequence[int] = ()
    secured: "SecuredMongod | None" = field(default=None, kw_only=True)
    _client: "MongoClient[dict[str, Any]] | None" = field(default=None, repr=False)

    name = "mongod"

    @property
    def url(self) -> str:
        return f"mongodb://{','.join(self.hosts)}/?replicaSet={REPLICA_SET}{'&tls=true' if self.secured else ''}"

    @property
    def hosts(self) -> list[str]:
        """The addresses of all members, as they know each other and clients find them."""
        return [f"127.0.0.1:{port}" for port in self.members or [self.port]]

    def prepare(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)

    def command(self) -> Sequence[str]:
        return [
            str(paths.mongod()),
            *("--dbpath", str(self.data), "--port", str(self.port), "--bind_ip", "127.0.0.1", "--nounixsocket"),
            *("--replSet", REPLICA_SET, "--oplogSize", "64", "--wiredTigerCacheSizeGB", "0.25", "--quiet"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            *("--setParameter", f"transactionLifetimeLimitSeconds={TRANSACTION_S}"),
            *("--slowms", str(NEVER_MS)),
            *(self.secured.options() if self.secured else ()),
        ]

    def ready(self) -> bool:
        """Whether it is a primary, or one of several. Initiates a new replica set, and follows a changed port."""
        from bson import CodecOptions
        from pymongo import MongoClient
        from pymongo.errors import PyMongoError

        if self._client is None:
            tls: dict[str, Any] = {"tls": True, "tlsCAFile": str(self.secured.authority)} if self.secured else {}
            self._client = MongoClient(
                "127.0.0.1", self.port, directConnection=True, serverSelectionTimeoutMS=300, socketTimeoutMS=2000, **tls
            )
        admin = self._client.get_database("admin", CodecOptions(dict[str, Any]))
        try:
            hello = admin.command("hello")
            if hello.get("isWritablePrimary") or (self.members and hello.get("secondary")):
                self._client.close()
                self._client = None
                return True
            self._configure(admin)
        except PyMongoError:
            return False
        return False

    def _configure(self, admin: Any) -> None:
        from pymongo.errors import OperationFailure

        here = f"127.0.0.1:{self.port}"
        try:
            config = admin.command("replSetGetConfig")["config"]
        except OperationFailure as error:  # without a user one may initiate, but not ask whether that is done
            if error.code not in {NOT_YET_INITIALIZED, UNAUTHORIZED}:
                raise
            if self.port == (self.members or [self.port])[0]:
                members = [{"_id": number, "host": host} for number, host in enumerate(self.hosts)]
                admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members})
            return
        if not self.members and config["members"][0]["host"] != here:
            config["members"][0]["host"] = here
            config["version"] += 1
            admin.command("replSetReconfig", config, force=True)

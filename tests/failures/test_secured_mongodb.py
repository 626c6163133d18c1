"""All four services on a MongoDB that serves only users and only over TLS, with the users that compose makes."""

import asyncio
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from pymongo.errors import OperationFailure, PyMongoError
from stories_embedded.mongodb import Mongod
from stories_embedded.ports import free_port
from stories_embedded.processes import stop
from stories_embedded.server import start, wait_until_ready
from stories_embedded.testing import IsolatedNamespace, Servers
from stories_shared.events.cloudevents import SERVICES
from stories_shared.mongo.client import Mongo
from stories_shared.runtime.health import Health
from stories_shared.runtime.metrics import CommonMetrics, MetricsRegistry
from stories_shared.testing import eventually
from stories_shared.testing.authority import Authority

from tests.chaos.proxy import Proxy
from tests.secured import NO_NODE, PASSWORDS, make_mongo_users, secured_mongod

from .fleet import Fleet
from .scenario import Scenario

pytestmark = [
    pytest.mark.servers,
    pytest.mark.nightly,
    pytest.mark.skipif(shutil.which("node") is None, reason=NO_NODE),
]

ANOTHER_HOST = "127.0.0.2"
"""It is this machine too, but no name in the certificate."""
UNTRUSTED = "certificate verify failed: self-signed certificate in certificate chain"
WRONG_HOST = f"certificate verify failed: IP address mismatch, certificate is not valid for '{ANOTHER_HOST}'"


@dataclass(frozen=True)
class Secured:
    """A mongod with users, and who signed its certificate."""

    mongod: Mongod
    authority: Authority

    @property
    def settings(self) -> dict[str, str]:
        """The settings of every user."""
        return {"MONGO_URL": self.mongod.url, "CA_BUNDLE": str(self.authority.pem)}

    def database(self, name: str, user: str | None = None, password: str | None = None) -> Mongo:
        """A database as a user sees it."""
        account = {"username": user, "password": password or (PASSWORDS[user] if user else None)}
        return Mongo.connect(self.mongod.url, name, **account, ca_bundle=str(self.authority.pem))


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("mongodb")
    authority = Authority(folder, "authority")
    mongod = Mongod(folder / "data", free_port(set()), secured=secured_mongod(folder, authority))
    mongod.prepare()
    process = start(mongod, folder / "mongod.log", os.environ)
    try:
        wait_until_ready("mongod", process, mongod.ready, folder / "mongod.log", 90)
        make_mongo_users(mongod.url, authority.pem)
        yield Secured(mongod, authority)
    finally:
        stop(process, 5)


class SecuredFleet(Fleet):
    """Each service is a user of its own, who also makes its collections and indexes."""

    def database(self, service: str) -> str:
        return f"stories_{service}"

    def environment(self, service: str) -> dict[str, str]:
        return super().environment(service) | account(service)

    def init_environment(self, service: str) -> dict[str, str]:
        return super().init_environment(service) | account(service)


def account(service: str) -> dict[str, str]:
    """The settings of one user."""
    return {"MONGO_USERNAME": service, "MONGO_PASSWORD": PASSWORDS[service]}


@pytest_asyncio.fixture(scope="module")
async def secured_fleet(
    secured: Secured, servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Fleet]:
    """The four services, ready on the secured mongod and the other servers of the session."""
    namespace = IsolatedNamespace(servers)
    plain = namespace["MONGO_URL"]
    namespace |= secured.settings
    try:
        async with SecuredFleet(namespace, tmp_path_factory.mktemp("fleet")).running() as fleet:
            yield fleet
    finally:
        namespace["MONGO_URL"] = plain
        await namespace.remove()


async def test_story_is_posted_viewed_and_erased_on_a_secured_mongodb(secured_fleet: Fleet) -> None:
    scenario = Scenario(secured_fleet)
    await scenario.begin()
    assert scenario.tickets.keys() == {"read", "doomed", "narrowed"}
    await scenario.delete_doomed()
    for service in SERVICES:
        assert "nauthorized" not in secured_fleet.log(service).read_text()


@pytest.mark.parametrize("service", SERVICES)
async def test_no_service_reads_the_database_of_another(secured: Secured, secured_fleet: Fleet, service: str) -> None:
    for other in SERVICES:
        database = secured.database(secured_fleet.database(other), service)
        try:
            if other == service:
                assert await database.database.list_collection_names()
                continue
            for refused in (database["stories"].find_one(), database["stories"].insert_one({})):
                with pytest.raises(OperationFailure, match="not authorized"):
                    await refused
        finally:
            await database.close()


@pytest.mark.parametrize(
    ("user", "password", "refusal"),
    [(None, None, "requires authentication"), ("feed", "wrong", "Authentication failed")],
    ids=["no user", "wrong password"],
)
async def test_nobody_reads_without_a_user(
    secured: Secured, user: str | None, password: str | None, refusal: str
) -> None:
    database = secured.database("stories_feed", user, password)
    try:
        with pytest.raises(OperationFailure, match=refusal):
            await database["edges"].find_one()
    finally:
        await database.close()


@pytest.mark.parametrize("user", [None, "ingest"], ids=["no user", "without rights"])
async def test_service_that_may_not_read_its_database_is_unready(secured: Secured, user: str | None) -> None:
    database = secured.database("stories_feed", user)
    health = Health(database, CommonMetrics(MetricsRegistry()))
    try:
        await health.check()
    finally:
        await database.close()
    assert re.search("requires authentication|not authorized", health.failing()["mongodb"])


async def test_nobody_connects_without_tls(secured: Secured) -> None:
    database = Mongo.connect(secured.mongod.url.replace("tls=true", "tls=false"), "stories_feed")
    try:
        with pytest.raises(PyMongoError, match=r"closed|reset"):
            await database.check_access()
    finally:
        await database.close()


async def test_service_without_the_authority_says_why_it_is_unready(
    secured: Secured, servers: Servers, tmp_path: Path
) -> None:
    namespace = IsolatedNamespace(servers)
    namespace["MONGO_URL"] = secured.mongod.url
    await unready(SecuredFleet(namespace, tmp_path, ("feed",)), UNTRUSTED)


async def test_certificate_for_another_host_is_refused(secured: Secured, servers: Servers, tmp_path: Path) -> None:
    namespace = IsolatedNamespace(servers)
    proxy = Proxy("mongod", secured.mongod.port, free_port(set()), random.Random(0), host=ANOTHER_HOST)
    await proxy.start()
    try:
        namespace |= secured.settings | {
            "MONGO_URL": f"mongodb://{ANOTHER_HOST}:{proxy.port}/?replicaSet=stories&tls=true"
        }
        await unready(SecuredFleet(namespace, tmp_path, ("feed",)), WRONG_HOST)
    finally:
        await proxy.stop()


async def unready(fleet: Fleet, why: str) -> None:
    """A service lives, but is not ready, and both it and its `init` give the reason without a traceback."""
    fleet.start("feed")
    try:

        async def said() -> bool:
            found = await fleet.readiness("feed")
            assert not found["ready"]
            assert found["problems"].get("mongodb") == why, found
            return True

        await eventually(said, within_s=60, every_s=0.2)
        assert await fleet.alive() == {"feed": 200}
    finally:
        fleet.kill_all()
        await fleet.http.aclose()
    assert "Traceback" not in fleet.log("feed").read_text()
    command = [sys.executable, "-m", "stories_feed", "init"]
    given = os.environ | fleet.environment("feed")
    run = await asyncio.to_thread(
        subprocess.run, command, check=False, capture_output=True, text=True, timeout=60, env=given
    )
    assert (run.returncode, run.stderr) == (1, f"mongodb: {why}\n")

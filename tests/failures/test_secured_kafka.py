"""All four services on a Kafka that asks for SCRAM, with the users that deploy/compose.sasl.yml makes."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from aiokafka.errors import KafkaError
from stories_embedded.kafka import Kafka as Broker
from stories_embedded.paths import CHECKOUT
from stories_embedded.ports import free_port
from stories_embedded.processes import stop
from stories_embedded.server import start, wait_until_ready
from stories_embedded.testing import Realm, Servers
from stories_shared.kafka.client import Kafka

from .fleet import Fleet
from .people import Life

pytestmark = [pytest.mark.servers, pytest.mark.nightly]

USERS = ("ingest", "feed", "engagement", "expiry", "operator", "monitor", "producer")
PASSWORDS = {user: f"password-of_{user}" for user in USERS}


@dataclass(frozen=True)
class Secured:
    """A broker with users."""

    broker: Broker

    def make_users(self) -> None:
        """Run the script of compose, with Kafka's own tool from the stack's jars."""
        passwords = {f"KAFKA_{user.upper()}_PASSWORD": password for user, password in PASSWORDS.items()}
        tool = f"{sys.executable} -m stories_embedded.kafka_tools kafka-configs"
        given = {"KAFKA_CONFIGS": tool, "KAFKA_ADMIN": f"127.0.0.1:{self.broker.admin_port}"}
        script = CHECKOUT / "deploy" / "compose" / "kafka-users.sh"
        run = subprocess.run(
            ["sh", script], check=False, capture_output=True, text=True, timeout=240, env=os.environ | passwords | given
        )
        assert run.returncode == 0, run.stdout + run.stderr


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder, taken = tmp_path_factory.mktemp("kafka"), set[int]()
    broker = Broker(folder / "data", free_port(taken), free_port(taken), admin_port=free_port(taken))
    broker.prepare()
    process = start(broker, folder / "kafka.log", os.environ)
    try:
        wait_until_ready("kafka", process, broker.ready, folder / "kafka.log", 90)
        made = Secured(broker)
        made.make_users()
        yield made
    finally:
        stop(process, 5)


class SecuredFleet(Fleet):
    """Each service is a user of its own."""

    def environment(self, service: str) -> dict[str, str]:
        user = {"KAFKA_SASL_USERNAME": service, "KAFKA_SASL_PASSWORD": PASSWORDS[service]}
        return super().environment(service) | user


@pytest_asyncio.fixture
async def secured_fleet(secured: Secured, servers: Servers, tmp_path: Path) -> AsyncIterator[Fleet]:
    """The four services, ready on the secured broker and the other servers of the session."""
    realm = Realm(servers)
    plain = realm["KAFKA_BOOTSTRAP_SERVERS"]
    realm |= {
        "KAFKA_BOOTSTRAP_SERVERS": secured.broker.url,
        "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SASL_USERNAME": "operator",
        "KAFKA_SASL_PASSWORD": PASSWORDS["operator"],
    }
    try:
        async with SecuredFleet(realm, tmp_path).running() as fleet:
            yield fleet
    finally:
        realm["KAFKA_BOOTSTRAP_SERVERS"] = plain
        await realm.remove()


async def test_a_story_lives_on_a_kafka_with_scram(secured_fleet: Fleet) -> None:
    life = Life(secured_fleet)
    await life.begin()
    assert life.tickets.keys() == {"read", "doomed", "narrowed"}


@pytest.mark.parametrize(
    ("protocol", "password"), [("SASL_PLAINTEXT", "wrong"), ("PLAINTEXT", None)], ids=["wrong password", "no password"]
)
async def test_nobody_reads_without_the_right_password(secured: Secured, protocol: str, password: str | None) -> None:
    kafka = Kafka(secured.broker.url, protocol=protocol, mechanism="SCRAM-SHA-512", username="feed", password=password)
    reader = kafka.reader()
    with pytest.raises(KafkaError):
        await reader.start()
    await reader.stop()


async def test_users_are_made_again_without_harm(secured: Secured) -> None:
    secured.make_users()
    kafka = Kafka(
        secured.broker.url,
        protocol="SASL_PLAINTEXT",
        mechanism="SCRAM-SHA-512",
        username="producer",
        password=PASSWORDS["producer"],
    )
    admin = kafka.admin()
    await admin.start()
    try:
        assert await admin.list_topics() is not None
    finally:
        await admin.close()

"""All four services on a Kafka that asks for SCRAM, with the users that deploy/compose.sasl.yml makes.

Once as there, without TLS and with every topic for everybody; once over TLS, where each user has the ACLs of
deploy/topics.yml and nothing else.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError
from aiokafka.helpers import create_ssl_context
from stories_embedded.kafka import Kafka as Broker
from stories_embedded.ports import free_port
from stories_embedded.processes import stop
from stories_embedded.server import start, wait_until_ready
from stories_embedded.testing import IsolatedNamespace, Servers
from stories_shared.events.cloudevents import SERVICES
from stories_shared.kafka.client import Kafka
from stories_shared.kafka.topics import Topics
from stories_shared.testing.authority import Authority
from stories_shared.testing.kafka_admin import administer

from tests.secured import PASSWORDS, PREFIXED, RESOURCES, allow, make_kafka_users, tls_settings
from tools.codegen.strimzi import Grant, grants, users

from .fleet import Fleet
from .scenario import Scenario

pytestmark = [pytest.mark.servers, pytest.mark.nightly]

TOPICS = Topics.of([timedelta(hours=24)])


@dataclass(frozen=True)
class Secured:
    """A broker with users; with an authority, over TLS and with ACLs."""

    broker: Broker
    authority: Authority | None

    @property
    def settings(self) -> dict[str, str]:
        """The settings of every user."""
        plain = {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512"}
        secured = tls_settings(self.authority.pem) if self.authority else plain
        return {"KAFKA_BOOTSTRAP_SERVERS": self.broker.url, **secured}

    def kafka(self, user: str, prefix: str = "", **changed: Any) -> Kafka:
        """The broker as a user sees it."""
        given: dict[str, Any] = {
            "protocol": self.settings["KAFKA_SECURITY_PROTOCOL"],
            "mechanism": "SCRAM-SHA-512",
            "username": user,
            "password": PASSWORDS[user],
            "context": create_ssl_context(cafile=str(self.authority.pem)) if self.authority else None,
        }
        return Kafka(self.broker.url, prefix, **given | changed)

    @property
    def admin(self) -> str:
        """The address of a listener that asks for nothing."""
        return f"127.0.0.1:{self.broker.admin_port}"

    async def grant(self, prefix: str) -> None:
        """Give the services and the producer what docs/acls.md says, and the operator everything with the prefix."""

        async def all_of_them(admin: AIOKafkaAdminClient) -> None:
            for user in users():
                for grant in grants(user, TOPICS):
                    await allow(admin, user, replace(grant, name=prefix + grant.name))
            for kind in RESOURCES:
                await allow(admin, "operator", Grant(kind, prefix, ("All",)), PREFIXED)

        await administer(self.admin, all_of_them)


@pytest.fixture(scope="module", params=["SCRAM", "SCRAM, TLS and ACLs"])
def secured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder, taken = tmp_path_factory.mktemp("kafka"), set[int]()
    authority = Authority(folder, "authority") if "TLS" in request.param else None
    broker = Broker(
        folder / "data",
        free_port(taken),
        free_port(taken),
        admin_port=free_port(taken),
        certificate=authority.server_pem if authority else None,
        acls=authority is not None,
    )
    broker.prepare()
    process = start(broker, folder / "kafka.log", os.environ)
    try:
        wait_until_ready("kafka", process, broker.ready, folder / "kafka.log", 90)
        made = Secured(broker, authority)
        make_kafka_users(made.admin)
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
    namespace = IsolatedNamespace(servers)
    plain = namespace["KAFKA_BOOTSTRAP_SERVERS"]
    namespace |= secured.settings
    namespace |= {"KAFKA_SASL_USERNAME": "operator", "KAFKA_SASL_PASSWORD": PASSWORDS["operator"]}
    if secured.authority:
        await secured.grant(namespace.prefix)
    try:
        async with SecuredFleet(namespace, tmp_path).running() as fleet:
            yield fleet
    finally:
        namespace["KAFKA_BOOTSTRAP_SERVERS"] = plain
        await namespace.remove()


async def test_story_is_posted_viewed_and_erased_on_a_secured_kafka(secured_fleet: Fleet) -> None:
    scenario = Scenario(secured_fleet)
    await scenario.begin()
    assert scenario.tickets.keys() == {"read", "doomed", "narrowed"}
    await scenario.delete_doomed()
    for service in SERVICES:
        assert "AuthorizationFailed" not in secured_fleet.log(service).read_text()


async def test_no_user_does_more_than_its_acls_allow(secured: Secured, secured_fleet: Fleet) -> None:
    if not secured.authority:
        pytest.skip("without ACLs every user may do everything")
    await asyncio.gather(*(refused_beyond_acls(secured, secured_fleet.namespace.prefix, user) for user in users()))


async def refused_beyond_acls(secured: Secured, prefix: str, user: str) -> None:
    """Write each topic that this user may not write, read each that it may not read, join a group that is not its."""
    kafka = secured.kafka(user, prefix)
    granted = {(grant.kind, grant.name): grant.operations for grant in grants(user, TOPICS)}
    producer = AIOKafkaProducer(**kafka.arguments)
    reader = kafka.reader()
    await asyncio.gather(producer.start(), reader.start())
    try:
        visible = await reader.topics()
        for topic in TOPICS:
            allowed = granted.get(("topic", topic), ())
            if "Write" not in allowed:
                with pytest.raises(TopicAuthorizationFailedError):
                    await producer.send_and_wait(prefix + topic, b"{}", b"key")
            if not allowed:
                assert prefix + topic not in visible
            elif "Read" not in allowed:
                reader.assign([TopicPartition(prefix + topic, 0)])
                with pytest.raises(TopicAuthorizationFailedError):
                    await asyncio.wait_for(reader.getone(), 20)
    finally:
        await asyncio.gather(producer.stop(), reader.stop())
    member = kafka.reader(group_id=f"{prefix}somebody.story-posted")
    await member.start()
    try:
        with pytest.raises(GroupAuthorizationFailedError):
            await member.committed(TopicPartition(f"{prefix}story-posted", 0))
    finally:
        await member.stop()


@pytest.mark.parametrize("changed", ["wrong password", "no password", "no TLS", "another authority"])
async def test_reader_without_valid_credentials_or_tls_is_refused(
    secured: Secured, changed: str, tmp_path: Path
) -> None:
    scram = "SASL_SSL" if secured.authority else "SASL_PLAINTEXT"
    plain = "SSL" if secured.authority else "PLAINTEXT"
    wrong: dict[str, Any] = {
        "wrong password": {"protocol": scram, "password": "wrong"},
        "no password": {"protocol": plain, "username": None, "password": None},
    }
    if secured.authority:
        another = create_ssl_context(cafile=str(Authority(tmp_path, "another").pem))
        wrong |= {"no TLS": {"protocol": "SASL_PLAINTEXT"}, "another authority": {"context": another}}
    if changed not in wrong:
        pytest.skip("this broker does not speak TLS")
    reader = secured.kafka("feed", **wrong[changed]).reader()
    with pytest.raises(KafkaError):
        await reader.start()
    await reader.stop()


async def test_making_the_users_again_changes_nothing(secured: Secured) -> None:
    make_kafka_users(secured.admin)
    assert await administer(secured.kafka("producer"), lambda admin: admin.list_topics()) is not None

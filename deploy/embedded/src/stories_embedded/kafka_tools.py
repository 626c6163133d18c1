"""Kafka's command line tools, from the stack's jars: `python -m stories_embedded.kafka_tools TOOL …`.

They are `bin/<tool>.sh` in Kafka's distribution; options are passed unchanged.
"""

import os
import sys

from . import jars, paths

TOOLS = {
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
}
JVM = ["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xlog:disable", "-Xlog:all=warning:stderr"]
QUIET = ["-Dlog4j2.statusLoggerLevel=OFF", "-Dorg.apache.logging.log4j.level=ERROR"]


def main(arguments: list[str]) -> None:
    """Replace this process by the tool. An unknown name prints the known ones and exits with 2."""
    tool = arguments[0] if arguments else ""
    if tool not in TOOLS:
        sys.stderr.write(f"usage: python -m stories_embedded.kafka_tools {{{'|'.join(TOOLS)}}} …\n")
        raise SystemExit(2)
    java = str(paths.java())
    os.execv(java, [java, *JVM, *jars.cds_flags(), *QUIET, "-cp", jars.classpath(), TOOLS[tool], *arguments[1:]])  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])

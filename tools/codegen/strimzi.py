"""Kafka permissions: `docs/acls.md`, and the same as Strimzi resources in `deploy/strimzi/`."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import yaml
from stories_shared.events.cloudevents import SERVICES
from stories_shared.kafka.topics import Topic, Topics, service_of_reader

LIFETIME = timedelta(hours=24)
PARTITIONS, REPLICATION = 12, 3
CLUSTER = "kafka"  # the example's Kafka resource
OUTSIDER = "producer"


@dataclass(frozen=True, slots=True)
class Grant:
    """The permissions of a user on a topic or group."""

    kind: str
    name: str
    operations: tuple[str, ...]


def users() -> list[str]:
    """The services, and an external producer."""
    return [*SERVICES, OUTSIDER]


def grants(user: str, topics: Topics) -> list[Grant]:
    """The permissions of a user, topics first, then groups."""
    if user == OUTSIDER:
        return [
            Grant("topic", topic.name, ("Describe", "Write")) for topic in topics.values() if topic.external_writers
        ]
    found = [
        Grant("topic", topic.name, operations)
        for topic in topics.values()
        if (operations := ("Describe", *operations_on(topic, user))) != ("Describe",)
    ]
    found += [
        Grant("group", f"{reader}.{topic.name}", ("Describe", "Read"))
        for topic in topics.values()
        for reader in topic.readers
        if service_of_reader(reader) == user
    ]
    return found


def operations_on(topic: Topic, service: str) -> Iterable[str]:
    """The operations of a service on a topic."""
    if service in map(service_of_reader, topic.readers):
        yield "Read"
    if service in topic.writers:
        yield "Write"


def page() -> str:
    """docs/acls.md."""
    topics = Topics.of([LIFETIME])
    spoken = [topic for topic in topics.values() if topic.dead_letters_of is None]
    head = f"| topic | {' | '.join(users())} |\n|{' --- |' * (len(users()) + 1)}"
    rows = [f"| `{topic.name}` | {' | '.join(cell(topic, user) for user in users())} |" for topic in spoken]
    groups = [
        f"- **{service}**: "
        + ", ".join(
            f"`{reader}.{topic.name}`"
            for topic in spoken
            for reader in topic.readers
            if service_of_reader(reader) == service
        )
        for service in SERVICES
    ]
    return PAGE.format(table="\n".join((head, *rows)), groups="\n".join(groups), outsider=OUTSIDER)


def cell(topic: Topic, user: str) -> str:
    """The permissions of a user on a topic, as letters."""
    if user == OUTSIDER:
        return "W" if topic.external_writers else ""
    return "".join(operation[0] for operation in operations_on(topic, user))


def strimzi_topics() -> str:
    """deploy/strimzi/topics.yaml."""
    documents = [
        resource(
            "KafkaTopic",
            topic.name,
            {
                "partitions": PARTITIONS,
                "replicas": REPLICATION,
                "config": {
                    name: int(value) if value.isdigit() else value for name, value in topic.config(REPLICATION).items()
                },
            },
        )
        for topic in Topics.of([LIFETIME]).values()
    ]
    return TOPICS_HEAD + dumped(documents)


def strimzi_users() -> str:
    """deploy/strimzi/users.yaml."""
    topics = Topics.of([LIFETIME])
    documents = [
        resource(
            "KafkaUser",
            f"stories-{user}",
            {
                "authentication": {"type": "scram-sha-512"},
                "authorization": {"type": "simple", "acls": [acl(grant) for grant in grants(user, topics)]},
            },
        )
        for user in users()
    ]
    return USERS_HEAD + dumped(documents)


def acl(grant: Grant) -> dict[str, Any]:
    """A permission as a Strimzi ACL."""
    return {
        "resource": {"type": grant.kind, "name": grant.name, "patternType": "literal"},
        "operations": list(grant.operations),
    }


def resource(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """A Strimzi resource."""
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": kind,
        "metadata": {"name": name, "labels": {"strimzi.io/cluster": CLUSTER, "app.kubernetes.io/part-of": "stories"}},
        "spec": spec,
    }


def dumped(documents: Iterable[dict[str, Any]]) -> str:
    """Documents one after the other, with keys in order of insertion."""
    return "".join("---\n" + yaml.safe_dump(document, sort_keys=False, width=120) for document in documents)


PAGE = """\
# Kafka ACLs

Generated from `deploy/topics.yml` by `make docs`; a test compares it with what the services consume and publish. R:
Read, W: Write; both include Describe. `{outsider}` stands for your own producers: grant each only the topics that it
needs.

{table}

A service may also write the dead-letter topic of each topic that it consumes, `<topic>.<service>.dlq`, and nothing
else. It consumes with one group per topic (Read and Describe on the group):

{groups}

Feed's live index and engagement's access state are read without a group. Producers are idempotent: a cluster
before Kafka 3.0 may require `IdempotentWrite` on the cluster for each service, or `KAFKA_IDEMPOTENT=false`. Creating
topics requires `Create` and `AlterConfigs` on the cluster and on topics, which no service needs: with `topics.mode:
job` only a Kubernetes Job has these rights (`global.topics.kafka`), with `external` nothing has. The commands `stories
dlq` and `stories erasure verify` read all topics and describe all groups; `stories dlq replay` also writes the topic
that a record came from.

With `KAFKA_TOPIC_PREFIX`, all names begin with it, those of groups too. The same rights as Strimzi resources are in
`deploy/strimzi/`.
"""
TOPICS_HEAD = """\
# Made from deploy/topics.yml by `make docs`; a test compares. For stories of at most 24 h: with longer lifetimes
# (STORY_LIFETIMES) raise the retention of story-posted and its dead-lettered topics to the longest plus 24 h.
"""
USERS_HEAD = """\
# Made from deploy/topics.yml by `make docs`; a test compares. The matrix is in docs/acls.md.
"""

"""docs/asyncapi.yaml: the events as AsyncAPI 3, from events.py and topics.yml."""

import json
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from stories_shared.events import EVENTS, Event
from stories_shared.kafka.topics import Topic, Topics
from stories_shared.runtime.settings import duration_text

from .schemas import components, summary

Document = dict[str, Any]
LIFETIME = timedelta(hours=24)
GOLDEN = Path(__file__).parents[2] / "shared" / "tests" / "golden" / "unreleased"
"""Payloads as the services publish them; tests of `stories-shared` read them with every later release."""
HEAD = "# Made from the code by `make docs`; a test compares.\n"
ABOUT = (
    "The events of the services. Values are JSON, headers are CloudEvents 1.0 in binary mode; outside "
    "producers may leave the headers out, or use structured mode. See events.md."
)
HEADERS: Document = {
    "type": "object",
    "properties": {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": {
            "type": "string",
            "description": "with ce_source the identity of the fact",
        },
        "ce_source": {"type": "string", "examples": ["/stories/ingest"]},
        "ce_type": {"type": "string", "pattern": "^stories\\.[a-z-]+\\.v1$"},
        "ce_time": {"type": "string", "format": "date-time"},
        "ce_subject": {"type": "string", "description": "the record's key"},
        "ce_dataschema": {"type": "string", "format": "uri", "description": "the `$id` of the payload's JSON Schema"},
        "content-type": {"type": "string", "examples": ["application/json"]},
    },
}


class Readable(yaml.SafeDumper):
    """A YAML dumper without anchors that keeps the order of keys."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write every mapping out."""
        return data is not None


def page() -> str:
    """The document as YAML."""
    body = yaml.dump(document(), Dumper=Readable, sort_keys=False, width=120, allow_unicode=True)
    return HEAD + str(body)


def document() -> Document:
    """The document as JSON values."""
    topics = Topics.of([LIFETIME])
    published = {name: topics[name] for name in EVENTS}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Stories",
            "version": version("stories-shared"),
            "description": ABOUT,
            "license": {"name": "Apache-2.0"},
            "tags": [{"name": "stories", "description": "What becomes of stories, and who is related to whom"}],
        },
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "description": "The Kafka of the installation; topics have its prefix, `KAFKA_TOPIC_PREFIX`.",
                "variables": {
                    "bootstrap": {
                        "default": "127.0.0.1:9092",
                        "description": "`KAFKA_BOOTSTRAP_SERVERS` of the installation",
                    }
                },
            }
        },
        "defaultContentType": "application/json",
        "channels": {name: channel(topic) for name, topic in published.items()},
        "operations": {name: made for topic in published.values() for name, made in operations(topic).items()},
        "components": {
            "messages": {event.__name__: message(event) for event in EVENTS.values()},
            "messageTraits": {"cloudEvent": {"headers": HEADERS}},
            "schemas": components("#/components/schemas/{name}"),
        },
    }


def channel(topic: Topic) -> Document:
    """A topic with its retention."""
    event = EVENTS[topic.name]
    kept = f"kept {duration_text(topic.retention)}"
    if topic.name == "story-posted":
        kept = f"compacted, kept for the longest lifetime and 24h more ({duration_text(topic.retention)} by default)"
    writers = ", ".join(topic.writers) + (" and outside producers" if topic.external_writers else "")
    return {
        "address": topic.name,
        "description": f"{summary(event)} Keyed by {event.key_field}; {kept}; written by {writers}.",
        "messages": {event.__name__: {"$ref": f"#/components/messages/{event.__name__}"}},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "topicConfiguration": {
                    "cleanup.policy": list(topic.cleanup),
                    "retention.ms": round(topic.retention.total_seconds() * 1000),
                    "max.message.bytes": topic.max_message_bytes,
                },
                "bindingVersion": "0.5.0",
            }
        },
    }


def operations(topic: Topic) -> dict[str, Document]:
    """Producers and consumers of a topic."""
    event = EVENTS[topic.name].__name__
    where = {
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "messages": [{"$ref": f"#/channels/{topic.name}/messages/{event}"}],
    }
    sends = {
        f"{service}-publishes-{topic.name}": {
            "action": "send",
            "description": f"{service} publishes {topic.name}, through its outbox.",
            **where,
        }
        for service in topic.writers
    }
    receives = {
        f"{service}-consumes-{topic.name}": {
            "action": "receive",
            "description": f"{service} consumes {topic.name}. A redelivery has no second effect.",
            **where,
            "bindings": group(f"{service}.{topic.name}"),
        }
        for service in topic.readers
    }
    return sends | receives


def group(name: str) -> Document:
    """The consumer group of a service."""
    return {"kafka": {"groupId": {"type": "string", "const": name}, "bindingVersion": "0.5.0"}}


def message(event: type[Event]) -> Document:
    """An event: its headers, its payload, its key."""
    return {
        "name": event.ce_type(),
        "title": event.__name__,
        "summary": summary(event),
        "contentType": "application/json",
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "payload": {"$ref": f"#/components/schemas/{event.__name__}"},
        "examples": [example(event)],
        "bindings": {"kafka": {"key": {"type": "string", "description": event.key_field}, "bindingVersion": "0.5.0"}},
    }


def example(event: type[Event]) -> Document:
    """A record of an event."""
    payload = json.loads((GOLDEN / f"{event.topic}.json").read_text(encoding="utf-8"))
    headers = {
        "ce_specversion": "1.0",
        "ce_id": "0198c5d0-7d1c-7c3e-9f57-000000000001",
        "ce_source": f"/stories/{Topics.of([LIFETIME])[event.topic].writers[0]}",
        "ce_type": event.ce_type(),
        "ce_time": "2026-11-22T08:00:00.000Z",
        "ce_subject": payload[event.key_field],
        "ce_dataschema": event.dataschema(),
        "content-type": "application/json",
    }
    return {"name": "published", "headers": headers, "payload": payload}

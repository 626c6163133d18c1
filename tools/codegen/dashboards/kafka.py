"""Kafka: metrics of the services and of kafka_exporter."""

from .grafana import Dashboard, Panel, Row
from .panels import aggregate, increase, quantile, rate

GROUPS = 'consumergroup=~".*(ingest|feed|engagement|expiry)[.](story|user)-.+"'
TOPICS = 'topic=~".*(story|user)-.+"'
AGE = "stories_event_age_seconds"

SERVICE_METRICS = Row(
    "Service metrics",
    [
        Panel(
            "Records consumed by topic",
            "Records processed per second, over all consumer groups.",
            "cps",
            rate(f"{AGE}_count", "topic"),
        ),
        Panel(
            "Event latency p50",
            "p50 from publishing to processing, by topic.",
            "s",
            quantile(0.5, AGE, "topic"),
        ),
        Panel(
            "Event latency p99",
            "p99 from publishing to processing, by topic and service.",
            "s",
            quantile(0.99, AGE, "topic", "job"),
        ),
        Panel(
            "Consumer lag",
            "Records not processed yet, by consumer group. `feed-index` is the log reader of each feed replica.",
            "short",
            aggregate("sum", "stories_consumer_lag_records", "group", "topic"),
        ),
        Panel(
            "Oldest unprocessed record",
            "Age of the oldest unprocessed record, by consumer group.",
            "s",
            aggregate("max", "stories_consumer_oldest_unhandled_seconds", "group", "topic"),
            thresholds=[60],
        ),
        Panel(
            "Blocked consumers",
            "Consumers that wait for a dependency that is down.",
            "short",
            aggregate("sum", "stories_consumer_waiting", "job", "dependency").named("{{job}} waits for {{dependency}}"),
        ),
        Panel(
            "Dead-lettered records by topic",
            "Records moved to a dead-letter topic in the window. `stories dlq list` lists them.",
            "short",
            increase("stories_dead_lettered_total", "topic"),
        ),
        Panel(
            "Dead-lettered records by reason",
            "`unreadable` and `unacceptable`: the producer's fault. `bug`: a defect in the service.",
            "short",
            increase("stories_dead_lettered_total", "job", "reason"),
        ),
        Panel(
            "Oldest outbox event",
            "Age of the oldest event that is not published yet, by service.",
            "s",
            aggregate("max", "stories_outbox_oldest_seconds", "job"),
            thresholds=[30],
        ),
        Panel(
            "Publish latency p99",
            "p99 of the time until Kafka acknowledges a batch.",
            "s",
            quantile(0.99, "stories_dependency_duration_seconds", "job", only='dependency="kafka"'),
        ),
    ],
)

EXPORTER_METRICS = Row(
    "Kafka exporter metrics",
    [
        Panel(
            "Consumer group lag",
            "Records not committed yet. Also covers dead consumers, which report no lag of their own.",
            "short",
            aggregate("sum", "kafka_consumergroup_lag", "consumergroup", only=GROUPS),
        ),
        Panel(
            "Committed offsets",
            "Offsets committed per second by consumer group.",
            "cps",
            rate("kafka_consumergroup_current_offset", "consumergroup", only=GROUPS),
        ),
        Panel(
            "Consumer group members",
            "Consumers in each group. 0: the topic is not consumed.",
            "short",
            aggregate("max", "kafka_consumergroup_members", "consumergroup", only=GROUPS),
        ),
        Panel(
            "Records appended",
            "Records appended per second by topic, dead-letter topics included.",
            "cps",
            rate("kafka_topic_partition_current_offset", "topic", only=TOPICS),
        ),
        Panel(
            "Brokers",
            "Brokers in the cluster.",
            "short",
            aggregate("max", "kafka_brokers").named("brokers"),
            kind="stat",
        ),
        Panel(
            "Under-replicated partitions",
            "Partitions with fewer in-sync replicas than configured, by topic.",
            "short",
            aggregate("sum", "kafka_topic_partition_under_replicated_partition", "topic", only=TOPICS),
            thresholds=[1],
        ),
    ],
)

KAFKA = Dashboard(
    "stories-kafka",
    "Stories: Kafka",
    "Event latency, consumer lag, dead-lettered records and the cluster.",
    [SERVICE_METRICS, EXPORTER_METRICS],
)

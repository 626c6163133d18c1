"""Kafka: metrics of the services and of kafka_exporter."""

from .grafana import Dashboard, Panel, Query, Row
from .panels import increase, quantile, rate

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
            [Query(rate(f"{AGE}_count", "topic"), "{{topic}}")],
        ),
        Panel(
            "Event latency p50",
            "p50 from publishing to processing, by topic.",
            "s",
            [Query(quantile(0.5, AGE, "topic"), "{{topic}}")],
        ),
        Panel(
            "Event latency p99",
            "p99 from publishing to processing, by topic and service.",
            "s",
            [Query(quantile(0.99, AGE, "topic", "job"), "{{topic}} {{job}}")],
        ),
        Panel(
            "Consumer lag",
            "Records not processed yet, by consumer group. `feed-index` is the log reader of each feed replica.",
            "short",
            [Query("sum by (group, topic) (stories_consumer_lag_records)", "{{group}} {{topic}}")],
        ),
        Panel(
            "Oldest unprocessed record",
            "Age of the oldest unprocessed record, by consumer group.",
            "s",
            [Query("max by (group, topic) (stories_consumer_oldest_unhandled_seconds)", "{{group}} {{topic}}")],
            thresholds=[60],
        ),
        Panel(
            "Blocked consumers",
            "Consumers that wait for a dependency that is down.",
            "short",
            [Query("sum by (job, dependency) (stories_consumer_waiting)", "{{job}} waits for {{dependency}}")],
        ),
        Panel(
            "Dead-lettered records by topic",
            "Records moved to a dead-letter topic in the window. `stories dlq list` lists them.",
            "short",
            [Query(increase("stories_dead_lettered_total", "topic"), "{{topic}}")],
        ),
        Panel(
            "Dead-lettered records by reason",
            "`unreadable` and `unacceptable`: the producer's fault. `bug`: a defect in the service.",
            "short",
            [Query(increase("stories_dead_lettered_total", "job", "reason"), "{{job}} {{reason}}")],
        ),
        Panel(
            "Oldest outbox event",
            "Age of the oldest event that is not published yet, by service.",
            "s",
            [Query("max by (job) (stories_outbox_oldest_seconds)", "{{job}}")],
            thresholds=[30],
        ),
        Panel(
            "Publish latency p99",
            "p99 of the time until Kafka acknowledges a batch.",
            "s",
            [
                Query(
                    quantile(0.99, "stories_dependency_duration_seconds", "job", only='dependency="kafka"'),
                    "{{job}}",
                )
            ],
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
            [Query(f"sum by (consumergroup) (kafka_consumergroup_lag{{{GROUPS}}})", "{{consumergroup}}")],
        ),
        Panel(
            "Committed offsets",
            "Offsets committed per second by consumer group.",
            "cps",
            [
                Query(
                    rate("kafka_consumergroup_current_offset", "consumergroup", only=GROUPS),
                    "{{consumergroup}}",
                )
            ],
        ),
        Panel(
            "Consumer group members",
            "Consumers in each group. 0: the topic is not consumed.",
            "short",
            [Query(f"max by (consumergroup) (kafka_consumergroup_members{{{GROUPS}}})", "{{consumergroup}}")],
        ),
        Panel(
            "Records appended",
            "Records appended per second by topic, dead-letter topics included.",
            "cps",
            [Query(rate("kafka_topic_partition_current_offset", "topic", only=TOPICS), "{{topic}}")],
        ),
        Panel(
            "Brokers",
            "Brokers in the cluster.",
            "short",
            [Query("max(kafka_brokers)", "brokers")],
            kind="stat",
        ),
        Panel(
            "Under-replicated partitions",
            "Partitions with fewer in-sync replicas than configured, by topic.",
            "short",
            [
                Query(
                    f"sum by (topic) (kafka_topic_partition_under_replicated_partition{{{TOPICS}}})",
                    "{{topic}}",
                )
            ],
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

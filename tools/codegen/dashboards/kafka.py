"""Kafka as the services see it, and as its own exporter does."""

from .grafana import Dashboard, Panel, Query, Row
from .panels import grown, quantile, rate

GROUPS = 'consumergroup=~".*(ingest|feed|engagement|expiry)[.](story|user)-.+"'
TOPICS = 'topic=~".*(story|user)-.+"'
AGE = "stories_event_age_seconds"

SEEN_BY_SERVICES = Row(
    "As the services see it",
    [
        Panel(
            "Handled by topic",
            "Records handled a second, over all groups.",
            "cps",
            [Query(rate(f"{AGE}_count", "topic"), "{{topic}}")],
        ),
        Panel(
            "Event age, half",
            "p50 from said to handled, by topic.",
            "s",
            [Query(quantile(0.5, AGE, "topic"), "{{topic}}")],
        ),
        Panel(
            "Event age, slowest 1 %",
            "p99 from said to handled, by topic and service.",
            "s",
            [Query(quantile(0.99, AGE, "topic", "job"), "{{topic}} {{job}}")],
        ),
        Panel(
            "Lag",
            "Records not handled yet, by group. `feed-index` is each feed replica's own reader.",
            "short",
            [Query("sum by (group, topic) (stories_consumer_lag_records)", "{{group}} {{topic}}")],
        ),
        Panel(
            "Oldest unhandled",
            "How long the oldest unhandled record has waited, by group.",
            "s",
            [Query("max by (group, topic) (stories_consumer_oldest_unhandled_seconds)", "{{group}} {{topic}}")],
            marks=[60],
        ),
        Panel(
            "Consumers that wait",
            "Groups that wait for a dependency to come back.",
            "short",
            [Query("sum by (job, dependency) (stories_consumer_waiting)", "{{job}} for {{dependency}}")],
        ),
        Panel(
            "Dead-lettered by topic",
            "Records that could not be handled, in the window. `stories dlq list` shows them.",
            "short",
            [Query(grown("stories_dead_lettered_total", "topic"), "{{topic}}")],
        ),
        Panel(
            "Dead-lettered by reason",
            "Unreadable and unacceptable ones are their producer's; `bug` is ours.",
            "short",
            [Query(grown("stories_dead_lettered_total", "job", "reason"), "{{job}} {{reason}}")],
        ),
        Panel(
            "Not said yet",
            "How long the oldest event has waited for Kafka to take it, by service.",
            "s",
            [Query("max by (job) (stories_outbox_oldest_seconds)", "{{job}}")],
            marks=[30],
        ),
        Panel(
            "Publishing",
            "p99 of the time until Kafka has acknowledged.",
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

SEEN_BY_THE_EXPORTER = Row(
    "As Kafka's exporter sees it",
    [
        Panel(
            "Lag of groups",
            "Records not committed yet. A consumer that is dead reports no lag of its own; this one is there.",
            "short",
            [Query(f"sum by (consumergroup) (kafka_consumergroup_lag{{{GROUPS}}})", "{{consumergroup}}")],
        ),
        Panel(
            "Committed",
            "Offsets that groups committed, a second.",
            "cps",
            [
                Query(
                    rate("kafka_consumergroup_current_offset", "consumergroup", only=GROUPS),
                    "{{consumergroup}}",
                )
            ],
        ),
        Panel(
            "Members",
            "Consumers in each group; none: nobody reads.",
            "short",
            [Query(f"max by (consumergroup) (kafka_consumergroup_members{{{GROUPS}}})", "{{consumergroup}}")],
        ),
        Panel(
            "Appended",
            "Records appended a second, by topic, dead-lettered ones too.",
            "cps",
            [Query(rate("kafka_topic_partition_current_offset", "topic", only=TOPICS), "{{topic}}")],
        ),
        Panel(
            "Brokers",
            "In the cluster.",
            "short",
            [Query("max(kafka_brokers)", "brokers")],
            kind="stat",
        ),
        Panel(
            "Under-replicated partitions",
            "Partitions that lack a replica, by topic.",
            "short",
            [
                Query(
                    f"sum by (topic) (kafka_topic_partition_under_replicated_partition{{{TOPICS}}})",
                    "{{topic}}",
                )
            ],
            marks=[1],
        ),
    ],
)

KAFKA = Dashboard(
    "stories-kafka",
    "Stories: Kafka",
    "The log: how old events are when they are handled, who is behind, what is dead-lettered.",
    [SEEN_BY_SERVICES, SEEN_BY_THE_EXPORTER],
)

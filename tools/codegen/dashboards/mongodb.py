"""MongoDB: metrics of the services and of mongodb_exporter."""

from .grafana import Dashboard, Panel, Query, Row
from .panels import aggregate, quantile, rate

SERVICE_METRICS = Row(
    "Service metrics",
    [
        Panel(
            "MongoDB calls",
            "Commands per second by service.",
            "ops",
            rate("stories_dependency_duration_seconds_count", "job", only='dependency="mongodb"'),
        ),
        Panel(
            "MongoDB latency p99",
            "p99 by service.",
            "s",
            quantile(0.99, "stories_dependency_duration_seconds", "job", only='dependency="mongodb"'),
        ),
        Panel(
            "Clock skew",
            "Largest difference from MongoDB's clock by service. Above 2 s a replica is not ready.",
            "s",
            Query("max by (job) (abs(stories_clock_skew_seconds))", "{{job}}"),
            thresholds=[1, 2],
        ),
    ],
)

EXPORTER_METRICS = Row(
    "MongoDB exporter metrics",
    [
        Panel(
            "Up",
            "1 while the exporter reaches MongoDB.",
            "short",
            aggregate("min", "mongodb_up", "instance"),
            kind="stat",
            thresholds=[1],
            falling=True,
        ),
        Panel(
            "Operations",
            "Operations per second by type.",
            "ops",
            rate("mongodb_ss_opcounters", "legacy_op_type"),
        ),
        Panel(
            "Mean latency",
            "Mean latency of reads, writes and commands, measured by the server.",
            "µs",
            Query(
                f"{rate('mongodb_ss_opLatencies_latency', 'op_type')}"
                f" / ({rate('mongodb_ss_opLatencies_ops', 'op_type')} > 0)",
                "{{op_type}}",
            ),
        ),
        Panel(
            "Connections",
            "Connections in use and still available.",
            "short",
            Query('sum by (conn_type) (mongodb_ss_connections{conn_type=~"current|available"})', "{{conn_type}}"),
        ),
        Panel(
            "Cache in use",
            "Share of the WiredTiger cache in use. 80 % is normal; at 95 % client threads evict pages and slow down.",
            "percentunit",
            Query(
                "mongodb_ss_wt_cache_bytes_currently_in_the_cache / mongodb_ss_wt_cache_maximum_bytes_configured",
                "{{instance}}",
            ),
            thresholds=[0.85, 0.95],
        ),
        Panel(
            "Memory",
            "Resident memory of mongod.",
            "decmbytes",
            Query("mongodb_ss_mem_resident", "{{instance}}"),
        ),
    ],
)

MONGODB = Dashboard(
    "stories-mongodb",
    "Stories: MongoDB",
    "Load, latency, connections and cache of the databases.",
    [SERVICE_METRICS, EXPORTER_METRICS],
)

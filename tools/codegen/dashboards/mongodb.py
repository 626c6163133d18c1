"""MongoDB as its exporter sees it; how long the services' own calls take is on their dashboards."""

from .grafana import Dashboard, Panel, Query, Row
from .panels import quantile, rate

SEEN_BY_SERVICES = Row(
    "As the services see it",
    [
        Panel(
            "Calls",
            "Commands a second, by service.",
            "ops",
            [Query(rate("stories_dependency_duration_seconds_count", "job", only='dependency="mongodb"'), "{{job}}")],
        ),
        Panel(
            "Slowest 1 % of calls",
            "p99 by service.",
            "s",
            [
                Query(
                    quantile(0.99, "stories_dependency_duration_seconds", "job", only='dependency="mongodb"'),
                    "{{job}}",
                )
            ],
        ),
        Panel(
            "Clock against the services'",
            "The largest difference by service; beyond 2 s a replica steps aside.",
            "s",
            [Query("max by (job) (abs(stories_clock_skew_seconds))", "{{job}}")],
            marks=[1, 2],
        ),
    ],
)

SEEN_BY_THE_EXPORTER = Row(
    "As its exporter sees it",
    [
        Panel(
            "Up",
            "1 while the exporter reaches the server.",
            "short",
            [Query("min by (instance) (mongodb_up)", "{{instance}}")],
            kind="stat",
            marks=[1],
            falling=True,
        ),
        Panel(
            "Operations",
            "Operations a second, by kind.",
            "ops",
            [Query(rate("mongodb_ss_opcounters", "legacy_op_type"), "{{legacy_op_type}}")],
        ),
        Panel(
            "Mean latency",
            "Of reads, writes and commands, as the server measures it.",
            "µs",
            [
                Query(
                    f"{rate('mongodb_ss_opLatencies_latency', 'op_type')}"
                    f" / ({rate('mongodb_ss_opLatencies_ops', 'op_type')} > 0)",
                    "{{op_type}}",
                )
            ],
        ),
        Panel(
            "Connections",
            "In use, and how many more there may be.",
            "short",
            [
                Query(
                    'sum by (conn_type) (mongodb_ss_connections{conn_type=~"current|available"})',
                    "{{conn_type}}",
                )
            ],
        ),
        Panel(
            "Cache in use",
            "Share of WiredTiger's cache. Near 80 % is normal; at 95 % callers evict pages themselves and get slow.",
            "percentunit",
            [
                Query(
                    "mongodb_ss_wt_cache_bytes_currently_in_the_cache / mongodb_ss_wt_cache_maximum_bytes_configured",
                    "{{instance}}",
                )
            ],
            marks=[0.85, 0.95],
        ),
        Panel(
            "Memory",
            "Resident memory of the server.",
            "decmbytes",
            [Query("mongodb_ss_mem_resident", "{{instance}}")],
        ),
    ],
)

MONGODB = Dashboard(
    "stories-mongodb",
    "Stories: MongoDB",
    "The databases: how busy, how slow, how full.",
    [SEEN_BY_SERVICES, SEEN_BY_THE_EXPORTER],
)

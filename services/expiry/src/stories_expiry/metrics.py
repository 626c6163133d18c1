"""The metrics of expiry."""

from stories_shared.runtime.metrics import BUCKETS_1H, MetricsRegistry, preinitialize

from stories_expiry.domain.endings import STORES


class ExpiryMetrics:
    """The metrics. One replica sets the gauges that count documents: aggregate them with `max`."""

    def __init__(self, registry: MetricsRegistry) -> None:
        self.timers = registry.gauge("timers", "Live stories whose end is still to come.")
        self.timers_overdue = registry.gauge("timers_overdue", "Stories that should have ended over a second ago.")
        self.oldest_overdue = registry.gauge(
            "timer_oldest_overdue_seconds",
            "How overdue the oldest timer is; growing means that no replica fires timers.",
        )
        self.lateness = registry.histogram(
            "expiry_lateness_seconds", "How long after its time a story was ended.", buckets=BUCKETS_1H
        )
        self.erasure_duration = registry.histogram(
            "erasure_duration_seconds", "From a story's end to a store's confirmation.", ["store"], BUCKETS_1H
        )
        self.receipts_open = registry.gauge(
            "receipts_open", "Ended stories that this store has not erased yet.", ["store"]
        )
        self.oldest_receipt = registry.gauge(
            "receipt_oldest_seconds",
            "How long the oldest of them has waited; over minutes, check that store.",
            ["store"],
        )
        self.endings_republished = registry.counter(
            "endings_republished",
            "Endings republished because a store did not confirm in time; many mean that a store is down.",
        )
        self.accounts_republished = registry.counter(
            "account_erasures_republished", "Account erasures republished because a service did not confirm in time."
        )
        for of_stores in (self.erasure_duration, self.receipts_open, self.oldest_receipt):
            preinitialize(of_stores, STORES)

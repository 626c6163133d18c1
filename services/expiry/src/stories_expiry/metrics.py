"""Every metric of expiry."""

from stories_shared.runtime.metrics import TO_AN_HOUR, Catalogue, expect

from stories_expiry.domain.endings import STORES


class ExpiryMetrics:
    """The catalogue. Gauges that count the store are the same on every replica: aggregate them with ``max``."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.timers = catalogue.gauge("timers", "Live stories whose end is still to come.")
        self.timers_overdue = catalogue.gauge("timers_overdue", "Stories that should have ended over a second ago.")
        self.oldest_overdue = catalogue.gauge(
            "timer_oldest_overdue_seconds", "How overdue the oldest timer is; growing means that nobody fires."
        )
        self.lateness = catalogue.histogram(
            "expiry_lateness_seconds", "How long after its time a story was ended.", buckets=TO_AN_HOUR
        )
        self.erasure_duration = catalogue.histogram(
            "erasure_duration_seconds", "From a story's end to a store's answer.", ["store"], TO_AN_HOUR
        )
        self.receipts_open = catalogue.gauge(
            "receipts_open", "Ended stories that this store has not erased yet.", ["store"]
        )
        self.oldest_receipt = catalogue.gauge(
            "receipt_oldest_seconds",
            "How long the oldest of them has waited; past minutes, look at that store.",
            ["store"],
        )
        self.endings_resaid = catalogue.counter(
            "endings_resaid",
            "Endings said again since a store did not answer in time; many: one is lost.",
        )
        self.accounts_resaid = catalogue.counter(
            "account_erasures_resaid", "Account erasures said again since a service did not answer in time."
        )
        for of_stores in (self.erasure_duration, self.receipts_open, self.oldest_receipt):
            expect(of_stores, STORES)

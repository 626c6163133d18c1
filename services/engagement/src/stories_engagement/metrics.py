"""The metrics of engagement, besides those of every service."""

from typing import get_args

from stories_shared.runtime.metrics import MetricsRegistry, preinitialize

from stories_engagement.domain.access_state import KINDS
from stories_engagement.domain.errors import REASONS
from stories_engagement.domain.reports import Action, Kind
from stories_engagement.domain.views import OUTCOMES


class EngagementMetrics:
    """The metrics of the engagement service."""

    def __init__(self, registry: MetricsRegistry) -> None:
        self.views = registry.counter(
            "views",
            "Views consumed, by outcome; many late ones mean that consumers lag behind endings.",
            ["outcome"],
        )
        self.tickets_refused = registry.counter(
            "tickets_refused", "Requests without a right to their story; forged ones mean an attack.", ["reason"]
        )
        self.access_state = registry.gauge(
            "access_state_entries",
            "Entries in this replica's memory by which tickets are judged; blocks that grow without end mean that the "
            "consumers of blocks lag behind.",
            ["kind"],
        )
        self.reports = registry.counter("reports", "Stories and comments reported, once for each reporter.", ["kind"])
        self.decisions = registry.counter("report_decisions", "Decisions of admins about reports.", ["action"])
        self.open_reports = registry.gauge(
            "reports_open", "Reports that wait for a decision, the same on every replica; many ask for more moderators."
        )
        self.webhook_deliveries = registry.counter(
            "webhook_deliveries",
            "Attempts to deliver a webhook: delivered, failed (tried again), dead (given up after a day).",
            ["outcome"],
        )
        self.webhooks_pending = registry.gauge(
            "webhooks_pending", "Deliveries that wait, the same on every replica; at most 100,000 are counted."
        )
        self.webhooks_oldest = registry.gauge(
            "webhooks_oldest_seconds",
            "How long the oldest waiting delivery has been due or tried, the same on every replica; an hour means that "
            "an endpoint fails.",
        )
        self.insights_sealed = registry.counter(
            "insights_sealed",
            "Expired stories whose insights were sealed; far fewer than expired stories mean that endings wait.",
        )
        preinitialize(self.webhook_deliveries, ("delivered", "failed", "dead"))
        preinitialize(self.views, OUTCOMES)
        preinitialize(self.access_state, KINDS)
        preinitialize(self.tickets_refused, REASONS)
        preinitialize(self.reports, get_args(Kind))
        preinitialize(self.decisions, get_args(Action))

"""What engagement measures besides what every service does."""

from stories_shared.metrics import Catalogue, expect

from stories_engagement.domain.errors import REASONS
from stories_engagement.domain.views import OUTCOMES


class EngagementMetrics:
    """The metrics of the engagement service."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.views = catalogue.counter(
            "views",
            "Views consumed, by what became of them; many late ones mean that consumers lag behind endings.",
            ["outcome"],
        )
        self.tickets_refused = catalogue.counter(
            "tickets_refused", "Requests without a right to their story; forged ones mean an attack.", ["reason"]
        )
        expect(self.views, OUTCOMES)
        expect(self.tickets_refused, REASONS)

"""Every series of engagement starts at zero."""

from typing import get_args

from stories_engagement.domain.errors import REASONS
from stories_engagement.domain.views import OUTCOMES
from stories_engagement.metrics import EngagementMetrics
from stories_shared.auth.tickets import Refusal
from stories_shared.runtime.metrics import MetricsRegistry


def test_every_reason_and_outcome_starts_at_zero() -> None:
    registry = MetricsRegistry()
    EngagementMetrics(registry)
    page = registry.page().decode()
    assert set(get_args(Refusal)) <= set(REASONS)
    for reason in REASONS:
        assert f'stories_tickets_refused_total{{reason="{reason}"}} 0.0' in page
    for outcome in OUTCOMES:
        assert f'stories_views_total{{outcome="{outcome}"}} 0.0' in page

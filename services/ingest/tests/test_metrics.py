"""The series of ingest are there from the start, at zero."""

from typing import get_args

from stories_ingest.domain.errors import REASONS
from stories_ingest.media.terms import Reason
from stories_ingest.metrics import IngestMetrics
from stories_shared.metrics import Catalogue


def test_every_reason_that_media_work_knows_has_a_series_before_it_first_happens() -> None:
    catalogue = Catalogue()
    IngestMetrics(catalogue)
    page = catalogue.page().decode()
    assert set(REASONS) == set(get_args(Reason))
    for reason in REASONS:
        assert f'stories_publishes_total{{reason="{reason}",result="refused"}} 0.0' in page

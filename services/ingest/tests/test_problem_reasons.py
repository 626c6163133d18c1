"""The reasons of the problem ``media-refused`` are those of the domain."""

from stories_ingest.domain.errors import REASONS
from stories_shared.http.problems import KINDS


def test_documented_reasons_are_those_of_refused_media() -> None:
    assert set(KINDS["media-refused"].reasons) == set(REASONS)

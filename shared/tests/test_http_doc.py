"""The HTTP page lists every refusal there is, with its status."""

import re
from pathlib import Path

from stories_shared.http.problems import KINDS

PAGE = Path(__file__).parents[2] / "docs" / "http.md"


def test_every_problem_type_is_documented_with_its_status():
    rows = re.findall(r"^\| `urn:stories:([a-z-]+)` \| (\d+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {slug: int(status) for slug, status in rows} == {slug: kind.status for slug, kind in KINDS.items()}

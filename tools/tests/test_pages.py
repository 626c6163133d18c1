"""Every link between pages of the repository leads to an existing page and heading."""

import re
from pathlib import Path

import pytest

from tools.codegen import CHECKOUT

PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "deploy/**/*.md", "services/*/*.md", "clients/*/*.md", "web/*.md")
    for page in CHECKOUT.glob(pattern)
    if not any(part.startswith(".") for part in page.relative_to(CHECKOUT).parts)
)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """The anchors of the headings of a page."""
    headings = re.findall(r"(?m)^#+ (.*)$", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_links_between_pages_resolve(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if link.startswith(("https:", "http:", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{link}: there is nothing"
        assert not anchor or anchor in anchors(target), f"{link}: there is no such heading"

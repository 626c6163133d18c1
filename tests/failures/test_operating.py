"""docs/operations/delivery.md: a guarantee for every topic, each with an existing test."""

import re

from stories_embedded.paths import CHECKOUT
from stories_shared.events import EVENTS

OPERATIONS = CHECKOUT / "docs" / "operations"
PAGE = (OPERATIONS / "delivery.md").read_text(encoding="utf-8")
TEST = re.compile(r"`((?:\w+/)+\w+\.py)(?:::(\w+))?`")


def section(title: str) -> str:
    return PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def rows(title: str) -> list[list[str]]:
    """The cells of each row in the table of a section."""
    lines = [line for line in section(title).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_every_topic_has_a_guarantee_that_names_its_test() -> None:
    guarantees = rows("Guarantees by topic")
    assert {topic for row in guarantees for topic in re.findall(r"`([a-z-]+)`", row[0])} == set(EVENTS)
    tests = {row[0]: row[1] for row in rows("Tests")}
    for _, guarantee, number in guarantees:
        assert guarantee.endswith(".")
        assert TEST.search(tests[number])


def test_every_test_that_the_operations_pages_name_exists() -> None:
    named = [found for page in OPERATIONS.glob("*.md") for found in TEST.findall(page.read_text(encoding="utf-8"))]
    assert len(named) > 15
    for file, function in named:
        text = (CHECKOUT / file).read_text()
        assert not function or f"def {function}(" in text, f"{file} has no {function}"

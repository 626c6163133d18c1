"""docs/operating.md keeps its word: a delivery sentence for every topic, each with a test that there is."""

import re

from stories_embedded.checkout import CHECKOUT
from stories_shared.events import EVENTS

PAGE = CHECKOUT / "docs" / "operating.md"
TEST = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")


def section(title: str) -> str:
    return PAGE.read_text().split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_every_topic_has_a_delivery_sentence_and_a_test() -> None:
    rows = [line.split(" | ") for line in section("Delivery").splitlines() if line.startswith("| `")]
    named = {topic for row in rows for topic in re.findall(r"`([a-z-]+)`", row[0])}
    assert named == set(EVENTS)
    assert all(TEST.search(row[2]) for row in rows)
    assert all(row[1].endswith(".") for row in rows)


def test_every_test_that_the_page_names_is_there() -> None:
    named = TEST.findall(PAGE.read_text())
    assert named
    for file, function in named:
        text = (CHECKOUT / file).read_text()
        assert not function or f"def {function}(" in text, f"{file} has no {function}"

"""Plain words: documents use the terms of Kafka, MongoDB, S3 and HTTP, and none of the words below.

`python -m pytest tests/text` needs no server.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from stories_embedded.paths import CHECKOUT

PAGES = ("*.md", "docs/**/*.md", "services/*/*.md", "deploy/**/*.md", "clients/*/*.md")
GENERATED = {"docs/settings.md", "docs/metrics.md", "docs/acls.md"}
"""Made from texts in the code; they are read once `SOURCES` is."""

SOURCES: tuple[str, ...] = ("shared", "services", "cli", "deploy", "tests", "tools", "benchmarks", "clients")
"""Folders whose docstrings and comments are read too; switched on: ("shared", "services", "cli", "deploy", "tests")."""

BANNED = {
    "parked": "dead-lettered",
    "parking": "dead-lettering",
    "poison": "invalid record",
    "unsaid": "pending",
    "resaid": "republished",
    "said again": "republished",
    "say again": "republish",
    "said to handled": "published to processed",
    "unheard": "stale",
    "not heard": "not consumed",
    "hear": "consume",
    "hears": "consumes",
    "heard of": "consumed",
    "deaf to": "idempotent",
    "whoever": "who, or a noun",
    "whomever": "who, or a noun",
    "whatever": "every, or a noun",
    "fates": "outcomes",
    "roll call": "heartbeat",
    "kitchen": "module",
    "mend": "fix",
    "mended": "fixed",
    "violence": "fault injection",
    "nobody fires": "no replica ends stories",
    "steps aside": "becomes unready",
    "of late": "recent",
    "bare of": "without",
    "as it stands there": "unchanged",
    "erase-again": "erasure replay",
    "verify-erasure": "erasure verify",
    "import-follows": "follows import",
}
WORDS = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, BANNED))})(?![\w-])", re.IGNORECASE)
IDENTIFIERS = re.compile(r"`[^`\n]*`|\]\([^)]*\)")


def found(text: str) -> list[str]:
    """The banned words in a text, each with its line and a better word. Identifiers between backticks do not count."""
    plain = IDENTIFIERS.sub(lambda each: re.sub(r"[^\n]", " ", each[0]), text)
    return [
        f"line {plain.count(chr(10), 0, match.start()) + 1}: {match[0]!r}, better: {BANNED[match[0].lower()]}"
        for match in WORDS.finditer(plain)
    ]


def pages() -> Iterator[Path]:
    for pattern in PAGES:
        yield from (page for page in CHECKOUT.glob(pattern) if str(page.relative_to(CHECKOUT)) not in GENERATED)


def modules() -> Iterator[Path]:
    for folder in SOURCES:
        yield from (path for path in (CHECKOUT / folder).rglob("*.py") if path != Path(__file__))


def prose(source: str) -> str:
    """The docstrings and comments of a module."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr)]
    values = (node.value.value for node in nodes if isinstance(node.value, ast.Constant))
    comments = (
        token.string
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    )
    return "\n".join([*(value for value in values if isinstance(value, str)), *comments])


@pytest.mark.parametrize("page", sorted(pages()), ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_a_page_uses_standard_terms(page: Path) -> None:
    text = re.sub(r"^```.*?^```", lambda each: "\n" * each[0].count("\n"), page.read_text("utf-8"), flags=re.M | re.S)
    assert found(text) == []


def test_docstrings_and_comments_use_standard_terms() -> None:
    wrong = {
        str(path.relative_to(CHECKOUT)): each
        for path in modules()
        if (each := found(prose(path.read_text(encoding="utf-8"))))
    }
    assert wrong == {}


def test_banned_words_are_found_in_prose_and_not_in_identifiers() -> None:
    assert found("A record is Parked.\nWhoever asks.") == [
        "line 1: 'Parked', better: dead-lettered",
        "line 2: 'Whoever', better: who, or a noun",
    ]
    assert found("`stories_parked_total`, [StoriesX](parked.md) and long-standing") == []
    assert prose('"""Text."""\nx = 1  # note\n') == "Text.\n# note"

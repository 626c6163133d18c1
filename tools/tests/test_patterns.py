"""Every published pattern is valid ECMA-262 with the flag `u`, as JSON Schema and OpenAPI require."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from stories_embedded.paths import CHECKOUT

from tools.codegen import SCHEMAS

COMPILE = """
const patterns = JSON.parse(require("fs").readFileSync(0));
const bad = [];
for (const pattern of patterns) { try { new RegExp(pattern, "u"); } catch (error) { bad.push(error.message); } }
console.log(JSON.stringify(bad));
"""
# Escapes allowed under the flag `u`, and group syntax that only Python has.
ESCAPES = r"[dDwWsSbBtnvfr0-9^$\\.*+?()\[\]{}|/-]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|[pP]\{\w+\}"
KNOWN = re.compile(rf"(?:[^\\]|\\(?:{ESCAPES}))*")
PYTHONS = re.compile(r"\(\?(?:P|#|[aiLmsux]+[):-]|\()")


def patterns() -> list[str]:
    """All published patterns, each once."""
    docs = CHECKOUT / "docs"
    pages = [docs / "openapi.json", *(docs / "openapi").glob("*.json"), *SCHEMAS.iterdir()]
    documents = [json.loads(page.read_text()) for page in pages]
    documents.append(yaml.safe_load((docs / "asyncapi.yaml").read_text()))
    return sorted({pattern for document in documents for pattern in found_in(document)})


def found_in(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        if isinstance(pattern := document.get("pattern"), str):
            yield pattern
        for each in document.values():
            yield from found_in(each)
    elif isinstance(document, list):
        for each in document:
            yield from found_in(each)


def test_published_patterns_use_no_python_only_syntax() -> None:
    found = patterns()
    assert len(found) > 10
    assert [each for each in found if not KNOWN.fullmatch(each) or PYTHONS.search(each)] == []


@pytest.mark.parametrize("bad", [r"^a\Z", r"\Aa", r"(?P<a>b)", r"(?i)a", r"\N{DIGIT ONE}", r"\@", r"a(?#why)"])
def test_python_only_pattern_syntax_is_detected(bad: str) -> None:
    assert not KNOWN.fullmatch(bad) or PYTHONS.search(bad)


def test_node_compiles_every_published_pattern() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node: apt-get install nodejs")
    answer = subprocess.run(
        [node, "-e", COMPILE], input=json.dumps(patterns()), capture_output=True, text=True, check=True
    )
    assert json.loads(answer.stdout) == []

"""README and tutorial are correct: every command runs, and every printed response is compared."""

import re
import secrets
from pathlib import Path

import pytest
from stories_embedded.paths import CHECKOUT

from ..journeys.installation import Installation
from .page_examples import Reader, differences, steps

TUTORIAL = (CHECKOUT / "docs" / "tutorial.md").read_text(encoding="utf-8")
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


def section(page: str, title: str) -> str:
    """The text below a second-level heading."""
    return page.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def with_new_users(page: str) -> str:
    """The page with users that no other test on this stack uses."""
    mark = secrets.token_hex(3)
    return re.sub(r"\b(ann|bob|carol)\b", rf"\g<1>{mark}", page)


@pytest.fixture
async def reader(installation: Installation, tmp_path: Path) -> Reader:
    """A reader in a folder that looks like a checkout with a running stack, and with a photo."""
    (tmp_path / ".venv").symlink_to(CHECKOUT / ".venv")
    (tmp_path / ".stories").symlink_to(installation.stack.folder)
    (tmp_path / "photo.jpg").write_bytes(installation.samples.photo().content)
    return Reader(tmp_path, {"API": installation.stack.url})


@pytest.mark.needs_jq
async def test_tutorial_runs_with_the_printed_responses(reader: Reader) -> None:
    assert await reader.follow(with_new_users(TUTORIAL)) == 18


@pytest.mark.needs_jq
async def test_the_first_story_of_the_readme_reaches_a_tray(reader: Reader) -> None:
    assert await reader.follow(with_new_users(section(README, "Your first story"))) == 5


def test_printed_response_that_differs_from_the_real_one_is_found() -> None:
    assert differences({"id": "…", "n": 1}, {"id": "x", "n": 1}) == []
    assert differences({"url": "http://…/a"}, {"url": "http://b/c"})
    assert differences({"a": 1}, {"a": 1, "b": 2})
    assert not differences({"a": 1, "…": "…"}, {"a": 1, "b": 2})
    assert differences([1, 2], [1])
    assert differences({"a": {"b": None}}, {"a": {"b": False}})


def test_only_read_commands_are_retried() -> None:
    page = "```sh\ncurl -s -X PUT x\n```\n\n```json\n204\n```\n\n```sh\ncurl -s x | jq\n```\n"
    assert [(step.repeatable, step.answer) for step in steps(page)] == [(False, "204\n"), (True, None)]

"""docs/guides/produce-events.md: every example runs as printed, on the stack."""

import asyncio
import os
import subprocess
import sys
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiokafka.partitioner import murmur2
from stories_embedded.paths import CHECKOUT
from stories_shared.kafka.client import Kafka
from stories_shared.testing import eventually, records_of

from ..journeys.installation import Installation
from ..journeys.stack import Stack
from .page_examples import FENCE

LONGEST_S = 60.0
FOLLOWERS = ("bob", "carol", "dave", "erin", "frank", "grace")


@dataclass(frozen=True)
class Page:
    """The examples of the page, and a folder that looks like a checkout with a running stack."""

    folder: Path
    settings: dict[str, str]

    @property
    def examples(self) -> list[tuple[str, str]]:
        """Language and text of each example."""
        page = (CHECKOUT / "docs" / "guides" / "produce-events.md").read_text(encoding="utf-8")
        return [(found[1], found[2]) for found in FENCE.finditer(page) if found[1] in {"sh", "python"}]

    def example(self, *words: str) -> tuple[str, str]:
        """The one example that contains all these words."""
        (found,) = (each for each in self.examples if all(word in each[1] for word in words))
        return found

    async def run(self, example: tuple[str, str]) -> subprocess.CompletedProcess[str]:
        """Run an example as a reader would."""
        language, text = example
        command = ["bash", "-euo", "pipefail", "-c", text] if language == "sh" else [sys.executable, "-c", text]
        options: dict[str, Any] = {"capture_output": True, "text": True, "timeout": LONGEST_S, "check": False}
        environment = os.environ | self.settings
        return await asyncio.to_thread(subprocess.run, command, cwd=self.folder, env=environment, **options)


@pytest.fixture
async def page(stack: Stack, tmp_path: Path) -> Page:
    (tmp_path / ".venv").symlink_to(CHECKOUT / ".venv")
    (tmp_path / ".stories").symlink_to(stack.folder)
    bootstrap = (await stack.env())["KAFKA_BOOTSTRAP_SERVERS"]
    return Page(tmp_path, {"KAFKA_BOOTSTRAP_SERVERS": bootstrap})


async def until_following_ann(installation: Installation, *users: str) -> None:
    for user in users:
        follows = partial(installation.known(user).pages, "/v1/following")
        await eventually(follows, LONGEST_S, accept=lambda found: "ann" in [each["user_id"] for each in found])


async def partitions(page: Page, key: bytes) -> list[int]:
    """The partition of each record with this key."""
    records = await records_of(Kafka(page.settings["KAFKA_BOOTSTRAP_SERVERS"]), "user-followed")
    return [record.partition for record in records if record.key == key]


async def test_every_example_runs_as_written_and_has_its_effect(page: Page, installation: Installation) -> None:
    examples = [each for each in page.examples if not {"kcat", "dlq"} & set(each[1].split())]
    assert len(examples) == 8
    for example in examples:
        ran = await page.run(example)
        assert ran.returncode == 0, f"{example[1]}\n{ran.stdout}{ran.stderr}"
    await until_following_ann(installation, *FOLLOWERS)


async def test_an_invalid_record_is_listed_among_the_dead_letters(page: Page) -> None:
    await page.run(page.example("not json"))
    listing = partial(page.run, page.example("dlq list"))
    listed = await eventually(listing, LONGEST_S, accept=lambda ran: "feed.user-followed" in ran.stdout)
    assert "unreadable" in listed.stdout
    assert "not json" in listed.stdout


@pytest.mark.needs_kcat
async def test_librdkafka_with_murmur2_uses_the_same_partition(page: Page, installation: Installation) -> None:
    by_librdkafka, by_java = page.example("kcat"), page.example("erin|")
    for language, text in (by_librdkafka, (by_java[0], by_java[1].replace("erin", "heidi"))):
        ran = await page.run((language, text))
        assert ran.returncode == 0, ran.stderr
    await until_following_ann(installation, "heidi")
    found = await eventually(lambda: partitions(page, b"heidi"), LONGEST_S, accept=lambda found: len(found) >= 2)
    assert set(found) == {murmur2(b"heidi") % 2**31 % 3} != {zlib.crc32(b"heidi") % 3}

"""docs/guides/produce-events.md: every example runs as printed, on the stack."""

import asyncio
import os
import re
import subprocess
import sys
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest
from aiokafka.partitioner import murmur2
from stories_embedded.paths import CHECKOUT
from stories_shared.kafka.client import Kafka
from stories_shared.testing import eventually, records_of

from ..journeys.stack import Stack

LONGEST_S = 60.0
FENCE = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FOLLOWERS = ("bob", "carol", "dave", "erin", "frank", "grace")


@dataclass(frozen=True)
class Ran:
    """An example and its result."""

    code: int
    out: str
    words: str


@dataclass(frozen=True)
class Page:
    """The examples of the page, and a folder that looks like a checkout with a running stack."""

    folder: Path
    settings: dict[str, str]

    @property
    def examples(self) -> list[tuple[str, str]]:
        """Language and text of each example."""
        page = (CHECKOUT / "docs" / "guides" / "produce-events.md").read_text(encoding="utf-8")
        return [(found[1], found[2]) for found in FENCE.finditer(page)]

    def example(self, *words: str) -> tuple[str, str]:
        """The one example that contains all these words."""
        (found,) = (each for each in self.examples if all(word in each[1] for word in words))
        return found

    async def run(self, example: tuple[str, str]) -> Ran:
        """Run an example as a reader would."""
        language, text = example
        command = ["bash", "-euo", "pipefail", "-c", text] if language == "sh" else [sys.executable, "-c", text]
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self.folder,
            env={**os.environ, **self.settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, words = await asyncio.wait_for(process.communicate(), LONGEST_S)
        assert process.returncode is not None
        return Ran(process.returncode, out.decode(), words.decode())


@pytest.fixture
async def page(stack: Stack, tmp_path: Path) -> Page:
    (tmp_path / ".venv").symlink_to(CHECKOUT / ".venv")
    (tmp_path / ".stories").symlink_to(stack.folder)
    bootstrap = (await stack.env())["KAFKA_BOOTSTRAP_SERVERS"]
    return Page(tmp_path, {"KAFKA_BOOTSTRAP_SERVERS": bootstrap})


async def follows(stack: Stack, user: str) -> set[str]:
    """The users whom a user follows, according to the API."""
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=10) as http:
        answer = await http.get("/v1/following", headers={"Authorization": f"Bearer {stack.token(user)}"})
        return {each["user_id"] for each in answer.json()["items"]}


async def until_following_ann(stack: Stack, *users: str) -> None:
    for user in users:
        await eventually(partial(follows, stack, user), LONGEST_S, accept=lambda found: "ann" in found)


async def partitions(page: Page, key: bytes) -> list[int]:
    """The partition of each record with this key."""
    records = await records_of(Kafka(page.settings["KAFKA_BOOTSTRAP_SERVERS"]), "user-followed")
    return [record.partition for record in records if record.key == key]


async def test_every_example_runs_as_written_and_has_its_effect(page: Page, stack: Stack) -> None:
    examples = [each for each in page.examples if not {"kcat", "dlq"} & set(each[1].split())]
    assert len(examples) == 8
    for example in examples:
        ran = await page.run(example)
        assert ran.code == 0, f"{example[1]}\n{ran.out}{ran.words}"
    await until_following_ann(stack, *FOLLOWERS)


async def test_an_invalid_record_is_listed_among_the_dead_letters(page: Page) -> None:
    await page.run(page.example("not json"))
    listed = await eventually(
        lambda: page.run(page.example("dlq list")), LONGEST_S, accept=lambda ran: "feed.user-followed" in ran.out
    )
    assert "unreadable" in listed.out
    assert "not json" in listed.out


@pytest.mark.needs_kcat
async def test_librdkafka_with_murmur2_uses_the_same_partition(page: Page, stack: Stack) -> None:
    by_librdkafka, by_java = page.example("kcat"), page.example("erin|")
    for language, text in (by_librdkafka, (by_java[0], by_java[1].replace("erin", "heidi"))):
        ran = await page.run((language, text))
        assert ran.code == 0, ran.words
    await until_following_ann(stack, "heidi")
    found = await eventually(lambda: partitions(page, b"heidi"), LONGEST_S, accept=lambda found: len(found) >= 2)
    assert set(found) == {murmur2(b"heidi") % 2**31 % 3} != {zlib.crc32(b"heidi") % 3}

"""Every response to any request matches the OpenAPI documents: schemathesis with all of its checks."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from stories_embedded.paths import CHECKOUT
from stories_shared.testing import eventually

from ..journeys.installation import Installation
from ..journeys.people import Person
from ..journeys.waiting import SOON

PEOPLE = 24
LONGEST_S = 900
CONFIG = Path(__file__).with_name("schemathesis.toml")


async def prober(person: Person, story: dict[str, Any]) -> dict[str, Any]:
    """A user, and a story that they may see."""
    item = await eventually(lambda: person.item(story), SOON)
    return {"id": person.id, "token": person.token, "story": item["id"], "ticket": item["ticket"]}


@pytest.mark.timeout(1_000)
@pytest.mark.parametrize("random_requests", [3, pytest.param(30, marks=pytest.mark.nightly)])
async def test_every_response_is_documented(installation: Installation, tmp_path: Path, random_requests: int) -> None:
    """Examples, boundary values and some random requests of each operation; chains are in test_links.py."""
    author = installation.person("author", roles=["admin"])
    own, others = await author.post_and_wait(caption="probed"), await installation.person("ann").post_and_wait()
    people = [await prober(author, own)]
    people += [await prober(each, others) for each in installation.people(*["reader"] * PEOPLE)]
    probe = tmp_path / "probe.json"
    probe.write_text(json.dumps({"people": people}), encoding="utf-8")
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run"),
        *(f"{installation.stack.url}/v1/openapi.json", "--checks", "all", "--no-color"),
        *("--max-examples", str(random_requests)),
    ]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=CHECKOUT,
        env={**os.environ, "STORIES_PROBE": str(probe), "PYTHONPATH": str(CHECKOUT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), LONGEST_S)
    finally:
        if process.returncode is None:
            process.kill()
    output = "\n".join(line[:400] for line in out.decode().splitlines())
    (tmp_path / "output").write_text(output, encoding="utf-8")
    assert process.returncode == 0, output[-20_000:]

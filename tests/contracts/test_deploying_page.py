"""The first story of docs/deploying.md is true: it is run as it stands there, with a CLI that is not in a container."""

import asyncio
import os
import re
import sys
from pathlib import Path

from stories_embedded.checkout import CHECKOUT

from ..journeys.samples import Samples
from ..journeys.stack import Stack

LONGEST_S = 90


def first_story() -> str:
    """The first shell block under "A first story"."""
    page = (CHECKOUT / "docs" / "deploying.md").read_text(encoding="utf-8")
    found = re.search(r"### A first story.*?```sh\n(.*?)```", page, re.DOTALL)
    assert found
    return found[1]


async def test_the_first_story_of_the_page_reaches_a_tray(stack: Stack, samples: Samples, tmp_path: Path) -> None:
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(  # compose run --rm cli token ann
        f'#!/bin/sh\n[ "$1 $2 $3 $4" = "compose run --rm cli" ] || exit 9\nshift 4\n'
        f'exec {sys.executable} -m stories_cli "$@" --data {stack.folder}\n'
    )
    docker.chmod(0o755)
    (tmp_path / "photo.jpg").write_bytes(samples.photo().content)
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", first_story()),
        cwd=tmp_path,
        env={**os.environ, "API": stack.url, "PATH": f"{docker.parent}:{os.environ['PATH']}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await asyncio.wait_for(process.communicate(), LONGEST_S)
    said = out.decode()
    assert process.returncode == 0, errors.decode()
    assert '"state":"live"' in said
    assert '"ring":"unseen"' in said
    assert '"media_url":"http' in said

"""docs/deploying.md: the first story is posted as in the tutorial, with tokens of a CLI outside of a container."""

import os
import sys
from pathlib import Path

import pytest
from stories_embedded.paths import CHECKOUT

from ..journeys.samples import Samples
from ..journeys.stack import Stack
from .page_examples import Reader
from .test_readme import TUTORIAL, section, with_new_users

PAGE = (CHECKOUT / "docs" / "deploying.md").read_text(encoding="utf-8")


@pytest.mark.needs_jq
async def test_the_first_story_of_the_page_reaches_a_tray(stack: Stack, samples: Samples, tmp_path: Path) -> None:
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(  # compose run --rm cli token ann
        f'#!/bin/sh\n[ "$1 $2 $3 $4" = "compose run --rm cli" ] || exit 9\nshift 4\n'
        f'exec {sys.executable} -m stories_cli "$@" --data {stack.folder}\n'
    )
    docker.chmod(0o755)
    (tmp_path / "photo.jpg").write_bytes(samples.photo().content)
    tokens = PAGE.split("\n### A first story\n", 1)[1].split("\n### ", 1)[0]
    titles = (
        "2. Bob follows Ann",
        "3. Ann creates a story",
        "4. Upload the photo",
        "5. Publish",
        "6. Bob opens the tray",
    )
    reader = Reader(tmp_path, {"API": stack.url, "PATH": f"{docker.parent}:{os.environ['PATH']}"})
    assert (
        await reader.follow(with_new_users("\n".join([tokens, *(section(TUTORIAL, title) for title in titles)]))) == 6
    )

"""The README's tour is true: it is run as it stands there, on the stack."""

import asyncio
import os
import re
from pathlib import Path

from stories_embedded.checkout import CHECKOUT

from ..journeys.world import World

LONGEST_S = 90


def tour() -> str:
    """The shell block under "A tour with curl"."""
    page = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"## A tour with curl.*?```sh\n(.*?)```", page, re.DOTALL)
    assert found
    return found[1]


async def test_the_tour_with_curl_shows_a_ring_a_viewer_and_a_complete_receipt(world: World, tmp_path: Path) -> None:
    """Also for somebody who has tried other things before: ann has a story already."""
    stack = world.stack
    await world.known("ann").post()
    (tmp_path / ".venv").symlink_to(CHECKOUT / ".venv")
    (tmp_path / ".stories").symlink_to(stack.folder)
    out, errors = tmp_path / "out", tmp_path / "errors"
    with out.open("wb") as said_to, errors.open("wb") as complained_to:
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euxo", "pipefail", "-c", tour()),
            cwd=tmp_path,
            env={**os.environ, "API": stack.url},
            stdout=said_to,
            stderr=complained_to,
        )
        try:
            await asyncio.wait_for(process.wait(), LONGEST_S)
        except TimeoutError:
            process.kill()
    said = out.read_text()
    assert await process.wait() == 0, f"{said}\n{errors.read_text()[-4000:]}"
    assert '"state":"live"' in said
    assert '"ring":"unseen"' in said
    assert '"viewer_id":"bob"' in said
    assert '"reaction":"❤️"' in said
    assert '"ended":"deleted"' in said
    assert '"complete":true' in said

"""The clients of clients/ live a story's whole life: their examples as they are, and the asynchronous one of Python."""

import asyncio
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from stories_client import AsyncStories
from stories_embedded.paths import CHECKOUT
from stories_shared.testing import eventually

from .installation import Installation

CLIENTS = CHECKOUT / "clients"


async def run(installation: Installation, folder: Path, *command: object) -> str:
    """The output of an example that posts a photo as ann and watches it as bob."""
    photo = folder / "photo.jpg"
    photo.write_bytes(installation.samples.photo().content)
    stack = installation.stack
    tokens = {"STORIES_URL": stack.url, "STORIES_ANN": stack.token("ann"), "STORIES_BOB": stack.token("bob")}
    words = [*map(str, command), str(photo)]
    ran = await asyncio.to_thread(
        subprocess.run, words, env=os.environ | tokens, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


async def test_the_python_example_lives_a_storys_whole_life(installation: Installation, tmp_path: Path) -> None:
    output = await run(installation, tmp_path, sys.executable, CLIENTS / "python" / "examples" / "story.py")
    assert "live 100%" in output
    assert "bob sees 180×320" in output
    assert "'viewer_id': 'bob'" in output
    assert "deleted; bob's reel: []" in output
    assert "erased 20" in output


@pytest.mark.nightly
@pytest.mark.skipif(not (CHECKOUT / "node_modules" / "installed").exists(), reason="run make check/web")
async def test_the_typescript_example_lives_a_storys_whole_life(installation: Installation, tmp_path: Path) -> None:
    npm = shutil.which("npm")
    assert npm is not None
    client = CLIENTS / "typescript"
    subprocess.run([npm, "run", "--silent", "build"], cwd=client, check=True)  # noqa: ASYNC221
    output = await run(installation, tmp_path, "node", client / "examples" / "story.mjs")
    assert "bob sees 180×320" in output
    assert "gone" in output
    assert "erased at 20" in output


async def test_the_asynchronous_python_client_posts_answers_and_follows_live(installation: Installation) -> None:
    ann, bob = installation.person("ann"), installation.person("bob")
    token = installation.stack.token

    async def renewed(refused: bool) -> str:
        return token(bob.id) if refused else "ended"

    async with (
        AsyncStories(installation.stack.url, token(ann.id)) as author,
        AsyncStories(installation.stack.url, renewed) as viewer,
    ):
        await viewer.follow_user(ann.id)
        await eventually(lambda: _first(author.followers()))
        poll: Any = {
            "kind": "poll",
            "x": 0.5,
            "y": 0.5,
            "w": 0.5,
            "h": 0.2,
            "question": "tea?",
            "options": ["yes", "no"],
        }
        updates = viewer.live()
        arriving = asyncio.ensure_future(anext(updates))
        photo = io.BytesIO(installation.samples.photo().content)
        choices = {"layers": [poll], "audience": "followers"}
        story = await author.upload(photo, choices, content_type="image/jpeg").run()
        assert story["state"] == "live"
        async with asyncio.timeout(30):
            event = await arriving
            while event.event != "ring":
                event = await anext(updates)
        assert event.data == {"author_id": ann.id, "ring": "unseen"}

        (item,) = await eventually(lambda: viewer.reel(ann.id))
        assert await viewer.fresh(item) is not None
        (layer,) = item["layers"]
        answer = await viewer.answer(item, layer["id"], {"option": 1})
        assert answer["mine"] == 1
        async with viewer.views() as views:
            await views.add({"ticket": item["ticket"], "play_id": "play-0001", "watched_ms": 1000})
        await viewer.comment(item, "tea it is")
        assert [each["text"] async for each in viewer.comments(item)] == ["tea it is"]
        changed = await author.change_story(story["id"], {"comments": "nobody"})
        assert (changed["comments"], changed["audience"]) == ("nobody", "followers")
        await author.delete_story(story["id"])
        assert await viewer.renewed(item) is None
        receipt = await eventually(
            lambda: author.get_story_receipt(story["id"]), 30.0, accept=lambda found: found["complete"]
        )
        assert receipt["ended"] == "deleted"


async def _first(items: Any) -> Any:
    return await anext(aiter(items), None)

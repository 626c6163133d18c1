"""Examples in guides, concepts and operations pages: commands and code run, documents have the real shape."""

import json
import re
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest
from stories_embedded.paths import CHECKOUT
from stories_shared.rollout.file import parse

from ..journeys.installation import Installation
from .page_examples import FENCE, Reader
from .test_readme import section, with_new_users

DOCS = CHECKOUT / "docs"
PLAY = """
const [api, ann, bob, photo] = process.argv.slice(2);
const { readFile } = await import("node:fs/promises");
const story = await postStory(api, ann, new Blob([await readFile(photo)], { type: "image/jpeg" }), "first light");
const views = [];
while (!views.length) await play(api, bob, story.author_id, async () => true, (view) => views.push(view));
const answer = await fetch(`${api}/v1/views`, {
  method: "POST",
  headers: { Authorization: `Bearer ${bob}`, "Content-Type": "application/json" },
  body: JSON.stringify({ views }),
});
console.log(story.state, (await answer.json()).accepted);
"""


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.fixture
async def reader(installation: Installation, tmp_path: Path) -> Reader:
    """A reader in a folder that looks like a checkout with a running stack, and with a file of edges."""
    (tmp_path / ".venv").symlink_to(CHECKOUT / ".venv")
    (tmp_path / ".stories").symlink_to(installation.stack.folder)
    (tmp_path / "edges.csv").write_text("user_id,target_id,at\nbob,ann,2026-01-01T00:00:00Z\n")
    return Reader(tmp_path, {"PATH": f"{CHECKOUT}/.venv/bin:/usr/bin:/bin"})


@pytest.mark.needs_jq
async def test_commands_of_the_archive_guide_run(reader: Reader) -> None:
    assert await reader.follow(with_new_users(page("guides/archive.md"))) == 2


async def test_social_graph_is_imported_as_documented(reader: Reader) -> None:
    assert await reader.follow(section(page("operations/tasks.md"), "Import a social graph")) == 1


@pytest.mark.skipif(shutil.which("node") is None, reason="node is missing: sudo apt-get install -y nodejs")
async def test_javascript_outlines_post_a_story_and_play_it(installation: Installation, tmp_path: Path) -> None:
    outlines = re.findall(r"^    ```js\n(.*?)^    ```$", page("guides/clients.md"), re.MULTILINE | re.DOTALL)
    program, photo = tmp_path / "outline.mjs", tmp_path / "photo.jpg"
    program.write_text("\n".join(map(textwrap.dedent, outlines)) + PLAY)
    photo.write_bytes(installation.samples.photo().content)
    tokens = [installation.stack.token(installation.person(name).id) for name in ("ann", "bob")]
    command = ["node", str(program), installation.stack.url, *tokens, str(photo)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: ASYNC221
    assert (ran.stdout, ran.stderr) == ("live 1\n", "")


def test_policy_of_the_rollout_guide_is_valid() -> None:
    [policy] = [text for language, text in FENCE.findall(page("guides/rollout.md")) if language == "yaml"]
    assert parse(policy.encode()).create.countries == {"NL", "DE"}


def test_receipt_of_the_erasure_page_has_the_documented_fields() -> None:
    [receipt] = [
        json.loads(text) for language, text in FENCE.findall(page("concepts/erasure.md")) if language == "json"
    ]
    assert (
        receipt.keys() == json.loads(page("openapi.json"))["components"]["schemas"]["StoryReceipt"]["properties"].keys()
    )

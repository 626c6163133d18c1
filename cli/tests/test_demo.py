"""`stories demo` works."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import pytest
from stories_cli.app import app
from typer.testing import CliRunner

CHECKOUT = Path(__file__).parents[2]
TIMEOUT_S = 400


@pytest.mark.servers
@pytest.mark.timeout(TIMEOUT_S + 60)
def test_demo_succeeds_and_removes_its_folder() -> None:
    before = set(CHECKOUT.glob(".stories-demo-*"))
    printed, receipt = demo("--lifetime", "12")
    assert_erased(receipt)
    assert steps(printed) == steps((CHECKOUT / "README.md").read_text(encoding="utf-8"))
    assert steps(printed) == steps((CHECKOUT / "docs" / "index.md").read_text(encoding="utf-8"))
    assert set(CHECKOUT.glob(".stories-demo-*")) == before


@pytest.mark.servers
@pytest.mark.nightly
@pytest.mark.timeout(TIMEOUT_S + 60)
@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is missing: sudo apt-get install -y chromium")
@pytest.mark.skipif(not (CHECKOUT / "node_modules" / "installed").exists(), reason="run make node_modules/installed")
def test_film_of_the_demo_plays_through_the_life_of_a_story(tmp_path: Path) -> None:
    film = tmp_path / "life.mp4"
    assert_erased(demo("--film", str(film))[1])
    with av.open(str(film)) as container:
        assert container.duration is not None
        seconds = container.duration / av.time_base
        frames = [hash(bytes(each.planes[0])) for each in container.decode(video=0)]
    assert 30 < seconds < 120
    assert len(frames) == pytest.approx(seconds * 25, abs=2)
    assert len(set(frames)) > 100  # it moves


def test_film_of_another_kind_is_refused() -> None:
    ran = CliRunner().invoke(app, ["demo", "--film", "life.gif"])
    assert (ran.exit_code, "ends in .mp4 or .webp" in ran.stderr) == (2, True)


def test_film_without_a_browser_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CHROMIUM", raising=False)
    ran = CliRunner().invoke(app, ["demo", "--film", "life.mp4"])
    assert (ran.exit_code, "apt-get install -y chromium" in ran.stderr) == (1, True)


def steps(text: str) -> list[str]:
    """The steps in the output of the command, or of a page that shows it, with every number as 0."""
    return [re.sub(r"[\d.]+", "0", line.strip()) for line in text.splitlines() if line.startswith("✓")]


def demo(*options: str) -> tuple[str, Any]:
    """What the command prints, and the receipt in it."""
    ran = subprocess.run(
        [sys.executable, "-m", "stories_cli", "demo", *options],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout, json.loads(ran.stdout[ran.stdout.index("{\n") :])


def assert_erased(receipt: Any) -> None:
    assert receipt["complete"]
    assert set(receipt["erased"]) == {"media", "feed", "engagement"}

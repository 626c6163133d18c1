"""`make release`, in a clone of this checkout."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tools.codegen import CHECKOUT

CURRENT = re.findall(r'(?m)^version = "(.+)"$', (CHECKOUT / "pyproject.toml").read_text())[0]
MAJOR = int(CURRENT.partition(".")[0]) + 1
NEXT, AFTER = f"{MAJOR}.2.0", f"{MAJOR}.3.0"
TODAY = re.compile(rf"^## {re.escape(NEXT)} \(\d{{4}}-\d\d-\d\d\)$", re.MULTILINE)


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=releaser", "-c", "user.email=releaser@stories.example"]
    return subprocess.run(["git", *who, "-C", folder, *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of this checkout with its changes committed and an unreleased changelog entry."""
    folder = tmp_path / "stories"
    subprocess.run(["git", "clone", "--quiet", "--no-tags", CHECKOUT, folder], check=True)
    for path in git(CHECKOUT, "ls-files", "--modified", "--others", "--exclude-standard").splitlines():
        if (CHECKOUT / path).is_file():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes((CHECKOUT / path).read_bytes())
    git(folder, "config", "user.name", "releaser")
    git(folder, "config", "user.email", "releaser@stories.example")
    changelog = folder / "CHANGELOG.md"
    text = changelog.read_text().replace("## Unreleased\n", "## Unreleased\n\n- **a thing**: is new.\n", 1)
    changelog.write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Tell of a thing")
    return folder


def release(folder: Path, version: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "release", f"VERSION={version}"], check=False, cwd=folder, capture_output=True, text=True
    )


def state(folder: Path) -> tuple[str, str, str]:
    return git(folder, "rev-parse", "HEAD"), git(folder, "tag"), git(folder, "status", "--porcelain")


def test_release_sets_one_version_with_one_commit_and_one_tag(clone: Path) -> None:
    ran = release(clone, NEXT)
    assert ran.returncode == 0, ran.stderr
    members = [clone / "pyproject.toml", *clone.glob("*/pyproject.toml"), *clone.glob("*/*/pyproject.toml")]
    assert len(members) == 9
    assert all(f'\nversion = "{NEXT}"\n' in path.read_text() for path in members)
    for document in (clone / "docs" / "openapi.json", *(clone / "docs" / "openapi").glob("*.json")):
        assert json.loads(document.read_text())["info"]["version"] == NEXT
    assert json.loads((clone / "tools" / "api" / "released.json").read_text())["info"]["version"] == NEXT
    assert yaml.safe_load((clone / "docs" / "asyncapi.yaml").read_text())["info"]["version"] == NEXT
    assert CURRENT not in (clone / "docker-compose.yml").read_text()
    assert ran.stderr == ""
    for chart in (yaml.safe_load(path.read_text()) for path in (clone / "deploy").glob("helm/**/Chart.yaml")):
        assert chart["version"] == chart.get("appVersion", NEXT) == NEXT
        assert {each["version"] for each in chart.get("dependencies", ())} <= {NEXT}
    assert git(clone, "status", "--porcelain") == ""
    assert git(clone, "describe", "--exact-match").strip() == f"v{NEXT}"
    assert git(clone, "log", "-1", "--format=%s").strip() == f"Release {NEXT}"


def test_current_development_version_can_be_released(clone: Path) -> None:
    if (clone / "shared" / "tests" / "golden" / f"v{CURRENT}").exists():
        assert release(clone, CURRENT).returncode == 2
        return
    ran = release(clone, CURRENT)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert git(clone, "describe", "--exact-match").strip() == f"v{CURRENT}"


def test_release_moves_changelog_entries_and_payloads(clone: Path) -> None:
    release(clone, NEXT)
    text = (clone / "CHANGELOG.md").read_text()
    unreleased, _, told = text.partition("## Unreleased\n")[2].partition(f"\n## {NEXT}")
    assert TODAY.search(text)
    assert unreleased.strip() == ""
    assert "- **a thing**: is new." in told
    golden = clone / "shared" / "tests" / "golden"
    kept, now = (
        {path.name: path.read_text() for path in (golden / name).iterdir()} for name in (f"v{NEXT}", "unreleased")
    )
    assert kept == now


def test_second_release_needs_a_changelog_entry(clone: Path) -> None:
    release(clone, NEXT)
    before = state(clone)
    ran = release(clone, AFTER)
    assert (ran.returncode, "tells nothing" in ran.stderr) == (2, True)
    assert state(clone) == before


@pytest.mark.parametrize("version", ["", "1.2", f"v{NEXT}", f"{NEXT}-rc1", "0.0.0", f"0{NEXT}"])
def test_invalid_or_skipped_version_changes_nothing(clone: Path, version: str) -> None:
    before = state(clone)
    assert release(clone, version).returncode == 2
    assert state(clone) == before


def test_dirty_working_tree_is_left_unchanged(clone: Path) -> None:
    (clone / "scratch.txt").write_text("not committed")
    before = state(clone)
    ran = release(clone, NEXT)
    assert (ran.returncode, "scratch.txt" in ran.stderr) == (2, True)
    assert state(clone) == before


def test_version_is_released_only_once(clone: Path) -> None:
    release(clone, NEXT)
    (clone / "CHANGELOG.md").write_text(
        (clone / "CHANGELOG.md").read_text().replace("## Unreleased\n", "## Unreleased\n\n- more\n", 1)
    )
    git(clone, "commit", "--all", "--quiet", "--message", "More")
    assert release(clone, NEXT).returncode == 2

"""`make install` completes after an interruption at any moment."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from stories_embedded import jars
from stories_embedded.installed import missing
from stories_embedded.paths import CHECKOUT, EMBEDDED, cache

PARTS = ("Makefile", "requirements.lock", "pyproject.toml", "shared", "services", "cli", "clients/python", "deploy")
PREFLIGHT = EMBEDDED / "preflight.sh"


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A fresh copy without an environment, with the caches of this machine."""
    root = CHECKOUT / ".stories-test" / f"install-{tmp_path.name}"
    ignored = shutil.ignore_patterns("__pycache__", "tests", ".*")
    for part in PARTS:
        source, target = CHECKOUT / part, root / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=ignored, symlinks=True)
        else:
            shutil.copy(source, target)
    yield root
    shutil.rmtree(root, ignore_errors=True)


def install(checkout: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["make", "install", f"PYTHON={Path(sys.executable).resolve()}"],
        cwd=checkout,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def outcome(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=300)
    return process.returncode, output


@pytest.mark.timeout(600)
@pytest.mark.nightly
def test_killed_installation_is_completed_by_the_next(checkout: Path) -> None:
    for _ in range(2):
        killed = install(checkout)
        time.sleep(random.uniform(0.1, 0.95) * 8)
        os.killpg(killed.pid, signal.SIGKILL)
        killed.communicate()
    code, output = outcome(install(checkout))
    assert code == 0, output
    help_run = subprocess.run([checkout / ".venv/bin/stories", "--help"], check=False, capture_output=True, text=True)
    assert "doctor" in help_run.stdout, help_run.stderr
    again = outcome(install(checkout))
    assert (again[0], "installing" in again[1]) == (0, False), "nothing changed means nothing runs"
    # Another cache, in which Kafka lies and its classes do not.
    emptied = checkout / "cache"
    (emptied / "stories").mkdir(parents=True)
    (emptied / "stories" / jars.home().name).symlink_to(jars.home())
    given = {"XDG_CACHE_HOME": str(emptied), "UV_CACHE_DIR": str(cache() / "uv")}
    code, output = outcome(install(checkout, **given))
    assert (code, "installing" in output) == (0, True), output
    assert (emptied / "stories" / jars.cds_archive().name / jars.ARCHIVE).is_file()
    assert "installing" not in outcome(install(checkout, **given))[1]


def test_emptied_cache_makes_the_installation_incomplete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing() == []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert ["jars" in line or "classes" in line for line in missing()] == [True, True]


def test_preflight_names_everything_missing_at_once(tmp_path: Path) -> None:
    bare = tmp_path / "bare-python"
    bare.write_text('#!/bin/sh\ncase "$2" in *version_info*) exit 0 ;; esac\nexit 1\n')  # no venv, no library
    bare.chmod(0o755)
    run = subprocess.run(["sh", PREFLIGHT, bare], check=False, cwd=CHECKOUT, capture_output=True, text=True)
    assert run.returncode == 1
    for lacking in ("venv", "libcurl.so.4", "OpenSSL 3"):
        assert lacking in run.stderr


def test_preflight_names_the_required_python() -> None:
    run = subprocess.run(["sh", PREFLIGHT, "no-such-python"], check=False, cwd=CHECKOUT, capture_output=True, text=True)
    assert (run.returncode, "Python 3.11" in run.stderr) == (1, True)


def test_preflight_is_silent_where_nothing_is_missing() -> None:
    run = subprocess.run(["sh", PREFLIGHT, sys.executable], check=False, cwd=CHECKOUT, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


def test_incomplete_kafka_in_the_cache_is_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    complete = jars.install()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = jars.home()
    shutil.copytree(complete, folder)
    names = sorted(path.name for path in folder.iterdir())
    (folder / names[0]).unlink()
    (folder / names[1]).write_bytes(b"half of it")
    fetched: list[str] = []

    def from_the_first_cache(coordinates, scratch: Path) -> list[Path]:
        scratch.mkdir()
        fetched.extend(coordinates)
        return [Path(shutil.copy(path, scratch)) for path in complete.iterdir()]

    monkeypatch.setattr(jars, "_fetch", from_the_first_cache)
    assert jars.install() == folder
    assert len(fetched) == len(names) == 47
    assert sorted(path.name for path in folder.iterdir()) == names
    assert jars.install() == folder, "and is complete now"


def test_jars_with_other_hashes_are_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    complete = jars.install()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def tampered(coordinates, scratch: Path) -> list[Path]:
        scratch.mkdir()
        found = [Path(shutil.copy(path, scratch)) for path in complete.iterdir()]
        found[0].write_bytes(b"something else")
        return found

    monkeypatch.setattr(jars, "_fetch", tampered)
    with pytest.raises(jars.WrongJars, match="hash differs from the lock"):
        jars.install()
    assert not jars.home().exists()


def test_lock_files_contain_no_urls() -> None:
    patterns = ("requirements.lock", "*/requirements.lock", "services/*/requirements.lock", "deploy/*.lock")
    locks = [jars.LOCK, *(lock for pattern in patterns for lock in CHECKOUT.glob(pattern))]
    assert len(locks) >= 9
    for lock in locks:
        assert "://" not in lock.read_text(), lock

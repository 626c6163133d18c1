"""The workflows are valid and call only what the Makefile has."""

import re
import subprocess
from typing import Any

import pytest
import yaml
from stories_embedded.paths import CHECKOUT

from .charts import TOOLS

WORKFLOWS = sorted((CHECKOUT / ".github" / "workflows").glob("*.yml"))


def jobs_of(path: Any) -> dict[str, dict[str, Any]]:
    jobs: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text())["jobs"]
    return jobs


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_calls_existing_make_targets_and_ends_in_time(path):
    targets = set(re.findall(r"^([\w/-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    for name, job in jobs_of(path).items():
        assert job["timeout-minutes"] <= 180, name
        called = {word for step in job["steps"] for word in re.findall(r"\bmake ([\w/-]+)", step.get("run", ""))}
        assert called <= targets, name


def test_workflows_run_every_target_of_checks_and_tests():
    run = "\n".join(path.read_text() for path in WORKFLOWS)
    for target in ("check", "test", "check/deploy", "test/containers", "test/nightly", "docs/site", "charts"):
        assert re.search(rf"\bmake {target}$", run, re.MULTILINE), target


@pytest.mark.needs_deploy_tools
def test_actionlint_finds_nothing():
    command = [TOOLS / "bin" / "actionlint", "-no-color", "-shellcheck", TOOLS / "bin" / "shellcheck", *WORKFLOWS]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, cwd=CHECKOUT)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.needs_deploy_tools
def test_actionlint_finds_a_planted_mistake(tmp_path):
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(WORKFLOWS[0].read_text().replace("runs-on", "run-on", 1))
    command = [TOOLS / "bin" / "actionlint", "-no-color", wrong]
    assert subprocess.run(command, check=False, capture_output=True, timeout=120).returncode == 1

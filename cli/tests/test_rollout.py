"""`stories rollout`."""

import json
from pathlib import Path
from typing import Any

import pytest
from stories_cli.app import app
from typer.testing import CliRunner


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Runs `stories rollout` with a policy; returns the result."""
    policy, env = tmp_path / "rollout.yaml", tmp_path / ".env"
    env.write_text(f"ROLLOUT_FILE={policy}\n")

    def rollout(text: str, *arguments: str) -> Any:
        policy.write_text(text)
        return CliRunner().invoke(app, ["rollout", *arguments, "--env-file", str(env)])

    return rollout


def test_check_says_what_the_policy_says_of_a_user(run):
    policy = "create: {countries: [NL], deny: [mallory]}\nview: {percentage: 0, allow: [mallory]}"
    assert run(policy, "check", "ann", "--country", "NL").stdout == "create: yes\nview: percentage\n"
    verdict = json.loads(run(policy, "check", "mallory", "--json").stdout)
    assert (verdict["create_reason"], verdict["view"]) == ("denied", True)


def test_show_prints_the_policy_in_force(run):
    shown = json.loads(run("create: {percentage: 10}", "show", "--json").stdout)
    assert (shown["create"]["percentage"], shown["view"]["percentage"]) == (10, 100)


def test_a_wrong_policy_is_an_error_that_names_the_setting(run):
    result = run("create: {percentage: many}", "show")
    assert result.exit_code == 1
    assert "ROLLOUT_FILE" in result.stderr

"""`stories chaos` and `stories bench` find the checkout, and list what it has."""

import subprocess
import sys


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stories_cli", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_unknown_fault_kind_is_rejected_with_the_known_kinds() -> None:
    refused = run("chaos", "--faults", "kill,earthquake")
    assert refused.returncode == 2
    assert "earthquake" in refused.stderr
    assert "freeze" in refused.stderr


def test_unknown_figure_is_rejected_with_the_known_figures() -> None:
    refused = run("bench", "nothing")
    assert refused.returncode == 2
    assert "no such figure: nothing" in refused.stderr
    assert "views-counted" in refused.stderr


def test_chaos_help_lists_its_options() -> None:
    result = run("chaos", "--help")
    assert result.returncode == 0
    assert all(option in result.stdout for option in ("--seed", "--minutes", "--faults", "--forever", "--reruns"))

"""`stories chaos` finds the checkout and lists the kinds of faults."""

import subprocess
import sys


def chaos(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stories_cli", "chaos", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_unknown_fault_kind_is_rejected_with_the_known_kinds() -> None:
    refused = chaos("--faults", "kill,earthquake")
    assert refused.returncode == 2
    assert "earthquake" in refused.stderr
    assert "freeze" in refused.stderr


def test_chaos_help_lists_its_options() -> None:
    result = chaos("--help")
    assert result.returncode == 0
    assert all(option in result.stdout for option in ("--seed", "--minutes", "--faults", "--forever", "--reruns"))

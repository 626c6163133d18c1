"""`stories chaos` finds the checkout, and says what it can break."""

import subprocess
import sys


def chaos(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stories_cli", "chaos", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_an_unknown_kind_of_fault_is_refused_with_the_known_ones() -> None:
    refused = chaos("--faults", "kill,earthquake")
    assert refused.returncode == 2
    assert "earthquake" in refused.stderr
    assert "freeze" in refused.stderr


def test_it_says_what_it_takes() -> None:
    told = chaos("--help")
    assert told.returncode == 0
    assert all(option in told.stdout for option in ("--seed", "--minutes", "--faults", "--forever", "--reruns"))

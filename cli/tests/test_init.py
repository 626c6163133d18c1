"""`stories init`, and the command line of each service."""

import subprocess
import sys
from typing import Any

import pytest


@pytest.mark.servers
def test_init_of_one_service_may_be_repeated_and_settled(installation: Any) -> None:
    for arguments in ([], ["--settle"]):
        ran = installation.run("init", "feed", *arguments)
        assert ran.exit_code == 0, ran.output
        assert "feed: topics, bucket and indexes exist" in ran.stderr


def test_init_of_an_unknown_service_is_rejected() -> None:
    ran = subprocess.run([sys.executable, "-m", "stories_cli", "init", "sharing"], check=False, capture_output=True)
    assert ran.returncode == 2


@pytest.mark.parametrize(
    ("service", "arguments"),
    [("ingest", ["inti"]), ("feed", ["--settle"]), ("engagement", ["init", "--all"]), ("expiry", ["serve"])],
)
def test_unknown_service_command_prints_usage(service: str, arguments: list[str]) -> None:
    command = [sys.executable, "-m", f"stories_{service}", *arguments]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (2, f"usage: python -m stories_{service} [init [--settle]]\n")

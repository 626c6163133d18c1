"""Loads the real servers for every test of the workspace, and says what a test lacks that needs a tool."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest_plugins = ["stories_embedded.testing"]

CHECKOUT = Path(__file__).parent
REFUSE_SKIPS = "STORIES_REFUSE_SKIPS"  # set by .ci/run where it may install what is missing
skips: list[str] = []


@dataclass(frozen=True)
class Tool:
    """Something a machine may lack: whether it is there, and how to get it."""

    there: Callable[[], bool]
    install: str


TOOLS = {
    "needs_deploy_tools": Tool((CHECKOUT / ".venv-deploy" / "installed").exists, "make install/deploy"),
    "needs_go": Tool(
        lambda: bool(shutil.which("go")) or (CHECKOUT / ".venv-deploy" / "bin" / "go").exists(), "make install/deploy"
    ),
    "needs_jq": Tool(lambda: bool(shutil.which("jq")), "sudo apt-get install -y jq"),
    "needs_kcat": Tool(lambda: bool(shutil.which("kcat")), "sudo apt-get install -y kcat"),
    "needs_prometheus": Tool(
        lambda: bool(shutil.which("prometheus") and shutil.which("promtool")), "sudo apt-get install -y prometheus"
    ),
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose tool is missing, with the line that installs it."""
    for name, tool in TOOLS.items():
        if item.get_closest_marker(name) and not tool.there():
            pytest.skip(f"{name}: {tool.install}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember what was skipped."""
    if report.skipped and not hasattr(report, "wasxfail"):
        skips.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A run that may install everything has no reason to skip anything."""
    if hasattr(session.config, "workerinput"):
        return  # judged where all of them come together
    if skips and exitstatus == pytest.ExitCode.OK and os.environ.get(REFUSE_SKIPS):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        words = session.config.get_terminal_writer()
        words.line(f"\n{REFUSE_SKIPS} is set, and {len(skips)} were skipped: {', '.join(skips)}", red=True)

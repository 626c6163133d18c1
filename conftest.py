"""Loads the real servers for every test of the workspace, marks tests by what they use, and names missing tools."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["stories_embedded.testing"]

CHECKOUT = Path(__file__).parent
REFUSE_SKIPS = "STORIES_REFUSE_SKIPS"  # set by .ci/run where it may install what is missing
skips: list[str] = []

# Examples take as long as a busy machine needs.
settings.register_profile("stories", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("stories")


@dataclass(frozen=True)
class Tool:
    """A tool that may be missing: whether it exists, and how to install it."""

    exists: Callable[[], bool]
    install: str


TOOLS = {
    "needs_api_tools": Tool((CHECKOUT / ".venv-api" / "installed").exists, "make install/api"),
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


SERVER_FIXTURES = frozenset({"servers", "make_stack"})
"""Tests with one of these fixtures use real servers; every other such fixture requests one of these."""

DRIVERS = frozenset({"pymongo", "motor"})
"""Parameters of store suites that run on a real MongoDB."""

OWN_SERVERS = (
    "shared/tests/test_log_tail.py",
    "shared/tests/test_watchdog.py",
    "services/expiry/tests/test_service.py",
    "services/ingest/tests/test_faults.py",
    "services/engagement/tests/test_replicas.py",
    "services/feed/tests/test_faults.py",
    "deploy/embedded/tests/test_servers.py",
    "tests/failures/",
    "tests/journeys/",
    "tests/sabotage/",
)
"""Modules that freeze or kill servers, or judge the seconds of a whole stack, and so share neither servers nor the
machine with the many others. Lent servers refuse to be frozen or killed, so a missing entry fails."""

SLOW = (
    "services/ingest/tests/media/",
    "deploy/embedded/tests/",
    "tests/deployment/",
    "tools/tests/test_release.py",
)
"""Tests that encode media, start gateways or supervisors, build images, or clone the repository."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by its fixtures, parameters and module."""
    for item in items:
        path = str(item.path.relative_to(CHECKOUT))
        callspec = getattr(item, "callspec", None)
        drivers = DRIVERS & {each for each in callspec.params.values() if isinstance(each, str)} if callspec else set()
        if drivers or SERVER_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.servers)
        if "motor" in drivers:
            item.add_marker(pytest.mark.nightly)
        if path.startswith(SLOW):
            item.add_marker(pytest.mark.slow)
        if path.startswith(OWN_SERVERS) and item.get_closest_marker("servers"):
            item.add_marker(pytest.mark.own_servers)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose tool is missing, with the command that installs it."""
    for name, tool in TOOLS.items():
        if item.get_closest_marker(name) and not tool.exists():
            pytest.skip(f"{name}: {tool.install}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember what was skipped."""
    if report.skipped and not hasattr(report, "wasxfail"):
        skips.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run that skipped tests although it may install everything."""
    if hasattr(session.config, "workerinput"):
        return  # the controller process judges the whole run
    if skips and exitstatus == pytest.ExitCode.OK and os.environ.get(REFUSE_SKIPS):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        terminal = session.config.get_terminal_writer()
        terminal.line(f"\n{REFUSE_SKIPS} is set, and {len(skips)} were skipped: {', '.join(skips)}", red=True)

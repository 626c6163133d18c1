"""Runs test modules in parallel: `pytest -n 2 -p tests.side_by_side`.

Most of the time of a test is waiting. The workers of pytest-xdist share one set of servers, except in a run of tests
that need their own (`STORIES_TEST_OWN_SERVERS=1`), or none. Tests that share a stack run on one worker.
"""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

OWN_SERVERS = "STORIES_TEST_OWN_SERVERS"

SHARING = {
    "tests/journeys/test_pairs.py": "",
    "tests/journeys/test_restore.py": "",
    "tests/journeys/": "the journeys",
    "tests/contracts/": "the contracts",
    "tests/failures/": "the fleet",
}
"""Modules that share processes; the first matching prefix applies."""


def unit(nodeid: str) -> str:
    """The scheduling unit of a test: its module, or the group of modules that share processes."""
    module = nodeid.partition("::")[0]
    shared = next((shared for start, shared in SHARING.items() if module.startswith(start)), "")
    return shared or module


lending = contextlib.ExitStack()


def pytest_configure(config: pytest.Config) -> None:
    """Start the shared servers before the workers."""
    from stories_embedded.testing import WITHOUT, lend, running_servers  # a plugin, which pytest has to import itself

    workers = getattr(config.option, "numprocesses", 0)
    if (
        not hasattr(config, "workerinput")
        and workers
        and not (os.environ.get(OWN_SERVERS) or os.environ.get(WITHOUT))
        and not config.option.collectonly
    ):
        os.environ.update(lend(lending.enter_context(running_servers()), breakable=False))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keep the logs of shared servers after a failure."""
    from stories_embedded.testing import LENT, keep_logs

    if LENT in os.environ and session.testsfailed and not hasattr(session.config, "workerinput"):
        keep_logs(Path(json.loads(os.environ[LENT])["folder"]))


def pytest_unconfigure() -> None:
    """Stop the shared servers."""
    lending.close()


class ByUnit(LoadScopeScheduling):
    """A scheduler by unit, longest units first."""

    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid)

    def schedule(self) -> None:
        self.config.option.loadscopereorder = False
        super().schedule()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByUnit:
    """Use the scheduler by unit."""
    return ByUnit(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort units so that the longest start first."""
    if hasattr(config, "workerinput"):
        places = {name: place for place, name in enumerate(dict.fromkeys(unit(item.nodeid) for item in items))}
        items.sort(key=lambda item: (unit(item.nodeid) not in SHARING.values(), -places[unit(item.nodeid)]))

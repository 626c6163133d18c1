"""What all tests of the whole system share: media to post, and the time that a stack takes."""

from pathlib import Path

import pytest

from .journeys.samples import Samples

ALONE = {"failures", "journeys"}
"""Folders of tests that judge the seconds of the whole system."""

BESIDE_OTHERS = {"test_restore.py"}
"""Modules in them that do not."""


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """Media, made once."""
    return Samples(tmp_path_factory.mktemp("samples"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every one of them talks to real servers, and starts a whole stack where it is the first one."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.servers)
            item.add_marker(pytest.mark.timeout(420))
            if item.path.relative_to(here).parts[0] in ALONE and item.path.name not in BESIDE_OTHERS:
                item.add_marker(pytest.mark.alone)

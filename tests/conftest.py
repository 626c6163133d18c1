"""Shared by all system tests: media, and the timeout of a stack."""

from pathlib import Path

import pytest

from .journeys.samples import Samples


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """Media files, generated once."""
    return Samples(tmp_path_factory.mktemp("samples"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Set a timeout that includes starting a stack, because any test may be the first, where a test has none."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(420))

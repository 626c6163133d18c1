"""What all tests of the whole system share: media to post, and the time that a stack takes."""

from pathlib import Path

import pytest

from .journeys.samples import Samples


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """Media, made once."""
    return Samples(tmp_path_factory.mktemp("samples"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Any of them may be the one that starts a whole stack."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(420))

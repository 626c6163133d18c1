"""Shared by all system tests: media, stacks, and the timeout of a stack."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .journeys.samples import Samples
from .journeys.stack import Stack
from .stacks import MakeStack


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """Media files, generated once."""
    return Samples(tmp_path_factory.mktemp("samples"))


@pytest.fixture(scope="session")
def make_stack(request: pytest.FixtureRequest) -> MakeStack:
    """The way to run a stack; its logs are kept if a test fails meanwhile."""

    @contextmanager
    def running(**options: Any) -> Iterator[Stack]:
        failed_before = request.session.testsfailed
        stack = Stack.make(**options)
        try:
            stack.start()
            yield stack
        finally:
            stack.remove(keep_logs=request.session.testsfailed > failed_before)

    return running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Set a timeout that includes starting a stack, because any test may be the first, where a test has none."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(420))

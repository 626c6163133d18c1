"""The generator: which operations it draws."""

import random
from collections import Counter

from .author_operations import AuthorOperations
from .generator import WEIGHTS, Generator


def test_each_kind_is_drawn_as_often_as_its_weight_says() -> None:
    generator, rng = Generator(None, 1), random.Random(1)  # type: ignore[arg-type]
    for _ in range(2):
        assert Counter(generator._draw(rng) for _ in range(sum(WEIGHTS.values()))) == WEIGHTS


def test_each_kind_is_an_operation() -> None:
    assert all(callable(getattr(AuthorOperations, name)) for name in WEIGHTS)

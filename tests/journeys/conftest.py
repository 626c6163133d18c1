"""The stack and its users."""

from ..stacks import pair, paired_world, stack, world

__all__ = ["pair", "paired_world", "stack", "world"]

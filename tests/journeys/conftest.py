"""The stack and its users."""

from ..stacks import paired_world, stack, world

__all__ = ["paired_world", "stack", "world"]

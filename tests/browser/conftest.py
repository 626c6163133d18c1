"""The stack and its users."""

from ..stacks import stack, world

__all__ = ["stack", "world"]

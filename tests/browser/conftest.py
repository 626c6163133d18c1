"""The stack and its users."""

from ..stacks import installation, stack

__all__ = ["installation", "stack"]

"""The stack and its users."""

from ..stacks import installation, paired_installation, stack

__all__ = ["installation", "paired_installation", "stack"]

"""The shared library of the Stories services."""

"""The stories command."""

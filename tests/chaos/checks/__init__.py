"""Checks of what must hold after recovery and draining; each reports its violations."""

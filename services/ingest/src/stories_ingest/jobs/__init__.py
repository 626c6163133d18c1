"""Loops: media workers and sweeps, each with a budget per turn."""

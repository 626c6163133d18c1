"""Loads the real servers for every test of the workspace."""

pytest_plugins = ["stories_embedded.testing"]

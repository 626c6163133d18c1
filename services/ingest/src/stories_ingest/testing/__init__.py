"""In-memory ports, builders and a harness for tests."""

"""In-memory ports and builders, for tests of ingest and of whoever builds on it."""

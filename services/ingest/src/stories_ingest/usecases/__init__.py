"""Use cases of ingest and their ports. They do no I/O of their own."""

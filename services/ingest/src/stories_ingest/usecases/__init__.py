"""What ingest does: one verb each, with the ports that it needs. No I/O of their own."""

"""For tests only: builders of stories, tickets and records, in-memory ports, a service harness."""

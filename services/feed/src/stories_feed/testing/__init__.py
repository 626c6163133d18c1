"""For tests only: in-memory stores, fakes, and builders of events."""

"""The real servers and the four services on one machine, without containers."""

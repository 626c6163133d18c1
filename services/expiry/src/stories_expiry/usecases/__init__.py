"""Use cases, one a class, with the ports that they need."""

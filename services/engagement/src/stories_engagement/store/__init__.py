"""MongoDB: the schema, and every query."""

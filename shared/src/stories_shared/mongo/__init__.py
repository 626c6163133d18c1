"""MongoDB: the client of both drivers, indexes, the transactional outbox."""

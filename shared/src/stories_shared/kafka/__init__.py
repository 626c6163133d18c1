"""Kafka: one client, one publisher, one kind of subscriber, log tails and topics."""

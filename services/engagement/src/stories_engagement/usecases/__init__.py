"""One verb a class, with the ports it needs. What a caller wants arrives here from HTTP and Kafka alike."""

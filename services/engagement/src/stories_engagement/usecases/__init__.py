"""Use cases, one a class, with the ports that they need. HTTP routes and Kafka handlers call them."""

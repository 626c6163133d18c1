"""What the documents promise, held to it."""

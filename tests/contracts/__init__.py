"""The guarantees of the documents, tested."""

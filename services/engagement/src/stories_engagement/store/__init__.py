"""MongoDB: the shapes of documents, and every read and write of them."""

"""HTTP routes: each authenticates, calls one use case and builds the response."""

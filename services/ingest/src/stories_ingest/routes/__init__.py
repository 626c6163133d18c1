"""HTTP routes: each request calls one use case."""

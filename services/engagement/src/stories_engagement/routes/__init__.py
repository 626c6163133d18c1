"""HTTP in: each route lets the caller in, calls one verb and shapes the answer."""

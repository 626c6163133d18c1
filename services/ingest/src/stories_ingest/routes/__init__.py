"""HTTP in: requests become calls of one verb each."""

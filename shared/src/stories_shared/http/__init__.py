"""Shared HTTP conventions: strict bodies, problem documents, authentication, rate limits and paging."""

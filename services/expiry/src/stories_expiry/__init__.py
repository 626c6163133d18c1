"""The expiry service."""

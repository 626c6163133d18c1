"""Background tasks of engagement."""

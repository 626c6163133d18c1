"""Pages of lists that are ordered by time."""

from datetime import datetime

Position = tuple[datetime, str]
"""Where a page starts: after this time and, of rows of the same time, this id."""

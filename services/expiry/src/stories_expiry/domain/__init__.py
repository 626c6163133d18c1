"""Domain of expiry: timers, endings, receipts and retention. Standard library only."""

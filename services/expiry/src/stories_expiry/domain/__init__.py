"""What expiry knows by itself: timers, endings, receipts and when the log forgets. Pure, standard library only."""

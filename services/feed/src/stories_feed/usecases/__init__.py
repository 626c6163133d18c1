"""What the feed does: one small class per verb, and the ports it needs."""

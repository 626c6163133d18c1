"""What the Stories services share."""

"""What expiry does: one small class per verb, and the ports that the verb needs."""

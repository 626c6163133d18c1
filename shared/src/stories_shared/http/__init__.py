"""HTTP as every service speaks it: strict bodies in, problem documents out, who asks, how often, and what page."""

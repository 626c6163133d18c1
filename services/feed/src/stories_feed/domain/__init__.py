"""What the feed knows without asking anybody: who is live, who may see what, how edges are ordered."""

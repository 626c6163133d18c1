"""Domain of engagement: access state, counting of views, comments, hidden words. Standard library only."""

"""For tests only: builders of stories, tickets and facts, and ports kept in memory."""

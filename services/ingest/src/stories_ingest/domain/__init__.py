"""Stories, their states and transitions, and quotas. Standard library only."""

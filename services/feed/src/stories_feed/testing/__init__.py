"""For tests only: stories, edges and people in memory, and builders of events. Shipped, imported by no room."""

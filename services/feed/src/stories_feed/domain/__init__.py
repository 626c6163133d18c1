"""Pure rules of the feed: the live index, visibility, and the order of changes of edges."""

"""What a story is while it is made and posted, and the rules of its states. Standard library only."""

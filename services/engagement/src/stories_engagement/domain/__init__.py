"""What engagement knows by itself: views and how they are counted, comments, endings, words. Standard library only."""

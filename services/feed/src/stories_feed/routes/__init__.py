"""HTTP routes of the feed."""

from stories_feed.routes.edges import edge_routes
from stories_feed.routes.hashtags import hashtag_routes
from stories_feed.routes.live import live_routes
from stories_feed.routes.stories import story_routes
from stories_feed.routes.trays import tray_routes

__all__ = ["edge_routes", "hashtag_routes", "live_routes", "story_routes", "tray_routes"]

"""The operations of each service, as the gateway routes them."""

ROUTES = {
    "ingest": """
        GET          /v1/config
        POST         /v1/stories
        PATCH,DELETE /v1/stories/{story_id}
        POST         /v1/stories/{story_id}/upload
        POST         /v1/stories/{story_id}/publish
        POST         /v1/stories/{story_id}/cancel
        GET          /v1/me/stories
        GET          /v1/me/stories/{story_id}
        GET          /v1/me/quota
    """,
    "feed": """
        GET          /v1/tray
        GET          /v1/rings
        GET          /v1/reels
        GET          /v1/for-you
        GET          /v1/stories/{story_id}
        GET          /v1/users/{user_id}/stories
        PUT          /v1/users/{user_id}/seen
        GET          /v1/following
        PUT,DELETE   /v1/following/{user_id}
        GET          /v1/blocked
        PUT,DELETE   /v1/blocked/{user_id}
        GET          /v1/muted
        PUT,DELETE   /v1/muted/{user_id}
        GET          /v1/close-friends
        PUT,DELETE   /v1/close-friends/{user_id}
        GET          /v1/followers
        DELETE       /v1/followers/{user_id}
    """,
    "engagement": """
        POST         /v1/views
        GET          /v1/stories/{story_id}/viewers
        PUT,DELETE   /v1/stories/{story_id}/reaction
        GET          /v1/stories/{story_id}/reactions
        GET,POST     /v1/stories/{story_id}/comments
        DELETE       /v1/comments/{comment_id}
        POST         /v1/stories/{story_id}/shares
        GET          /v1/stories/{story_id}/counts
        GET,PUT      /v1/me/privacy
        GET,PUT      /v1/me/hidden-words
    """,
    "expiry": """
        GET          /v1/stories/{story_id}/receipt
        GET          /v1/admin/erasure
        GET,POST     /v1/admin/users/{user_id}/erasure
    """,
}

"""A client of the Stories HTTP API: ``Stories`` blocks, ``AsyncStories`` is for asyncio; both have the same methods."""

from stories_client import models
from stories_client._async.client import AsyncStories
from stories_client._async.upload import AsyncUpload
from stories_client._async.views import AsyncViewQueue
from stories_client._sync.client import Stories
from stories_client._sync.upload import Upload
from stories_client._sync.views import ViewQueue
from stories_client.errors import StoriesError
from stories_client.events import LiveEvent
from stories_client.states import Stage, UploadState

__all__ = [
    "AsyncStories",
    "AsyncUpload",
    "AsyncViewQueue",
    "LiveEvent",
    "Stage",
    "Stories",
    "StoriesError",
    "Upload",
    "UploadState",
    "ViewQueue",
    "models",
]

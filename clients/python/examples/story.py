"""Posts a photo as one user and watches it as another, against `make up`:

    STORIES_ANN=$(.venv/bin/stories token ann) STORIES_BOB=$(.venv/bin/stories token bob) \
        .venv/bin/python clients/python/examples/story.py photo.jpg
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from stories_client import Stories, models

Found = TypeVar("Found")


def soon(look: Callable[[], Found | None]) -> Found:
    """What a look finds in time: an effect in one service shows in the others within two seconds."""
    for _ in range(100):
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise SystemExit("not there in time")


def complete(receipt: models.StoryReceipt) -> str | None:
    """When every store had confirmed the erasure."""
    return receipt["completed_at"]


def main(path: Path) -> None:
    """Post, watch, react, comment, delete."""
    url = os.environ.get("STORIES_URL", "http://127.0.0.1:8080")
    with Stories(url, os.environ["STORIES_ANN"]) as ann, Stories(url, os.environ["STORIES_BOB"]) as bob:
        bob.follow_user("ann")
        with path.open("rb") as file:
            upload = ann.upload(
                file,
                {"caption": "first light"},
                on_progress=lambda stage, share: print(f"{stage} {share:.0%}"),
            )
            story = upload.run()
        print("live until", story["expires_at"])

        item = soon(lambda: next((each for each in bob.reel("ann") if each["id"] == story["id"]), None))
        media = bob.http.get(item["media_url"])
        print(f"bob sees {item['width']}×{item['height']}, {len(media.content)} bytes")

        with bob.views() as views:
            views.add({"ticket": item["ticket"], "play_id": str(uuid4()), "watched_ms": 3000, "completed": True})
        bob.react(item, "❤️")
        bob.comment(item, "beautiful")
        print("ann's viewers", soon(lambda: list(ann.viewers(story["id"]))))

        ann.delete_story(story["id"])
        print("deleted; bob's reel:", [each["id"] for each in bob.reel("ann")])
        print("erased", soon(lambda: complete(ann.get_story_receipt(story["id"]))))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Object keys: one staging key for each upload, final keys under the story's own prefix.

Clients get presigned forms for staging keys only. Final keys have a new name for each attempt, so that a worker that
lost its lease cannot overwrite the output of another.
"""

STAGING = "staging/"
FINAL = "stories/"
HELD = "held/"
"""What is kept of reported stories. No URL is ever signed for these keys."""
ARCHIVE = "archive/"


def staging_key(story_id: str) -> str:
    """The only key that the upload form of a story allows."""
    return f"{STAGING}{story_id}"


def final_prefix(story_id: str) -> str:
    """The prefix of all objects of a posted story."""
    return f"{FINAL}{story_id}/"


def held_prefix(story_id: str) -> str:
    """The prefix of what is kept of a reported story."""
    return f"{HELD}{story_id}/"


def final_key(story_id: str, attempt: str, suffix: str) -> str:
    """A key that only one attempt writes; `suffix` starts with a dot."""
    return f"{final_prefix(story_id)}{attempt}{suffix}"


def archive_prefix(author_id: str, story_id: str) -> str:
    """The prefix of all objects of an archived story."""
    return f"{ARCHIVE}{author_id}/{story_id}/"


def archive_key(key: str, author_id: str, story_id: str) -> str:
    """Where the archive keeps the object of a final key."""
    return archive_prefix(author_id, story_id) + key.rpartition("/")[2]


def story_of(key: str) -> str:
    """The story that a key belongs to; empty for a key of another kind."""
    if key.startswith(ARCHIVE):
        return key.removeprefix(ARCHIVE).partition("/")[2].partition("/")[0]
    for prefix in (STAGING, FINAL):
        if key.startswith(prefix):
            return key.removeprefix(prefix).split("/", 1)[0]
    return ""

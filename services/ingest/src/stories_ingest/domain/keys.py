"""Where bytes lie in the bucket: one staging key for each upload, final keys under the story's own folder.

Clients get forms for staging keys only. Final keys carry a name that is new for every attempt of a worker, so that a
worker that lost its lease can never write over what another has made.
"""

STAGING = "staging/"
FINAL = "stories/"


def staging_key(story_id: str) -> str:
    """The one key that the upload form of a story allows."""
    return f"{STAGING}{story_id}"


def final_prefix(story_id: str) -> str:
    """The folder that holds everything of a posted story."""
    return f"{FINAL}{story_id}/"


def final_key(story_id: str, attempt: str, suffix: str) -> str:
    """A key that only one attempt of one worker writes; `suffix` begins with its dot."""
    return f"{final_prefix(story_id)}{attempt}{suffix}"


def story_of(key: str) -> str:
    """The story that a staging or final key belongs to; empty for any other key."""
    for prefix in (STAGING, FINAL):
        if key.startswith(prefix):
            return key.removeprefix(prefix).split("/", 1)[0]
    return ""

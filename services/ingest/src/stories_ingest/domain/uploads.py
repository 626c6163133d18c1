"""How an upload is asked for and bounded."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class PresignedPost:
    """A presigned POST: the client sends `fields`, then the file, before `expires_at`."""

    url: str
    fields: Mapping[str, str]
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadPolicy:
    """The rules of uploads: how large in bytes, how long a form and a draft live, whether photos are taken."""

    max_bytes: int
    form_ttl: timedelta
    draft_ttl: timedelta
    still_images: bool

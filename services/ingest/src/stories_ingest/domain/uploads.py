"""Presigned upload forms and their limits."""

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
    """Limits of uploads: size in bytes, lifetime of forms and drafts, whether photos are accepted."""

    max_bytes: int
    form_ttl: timedelta
    draft_ttl: timedelta
    still_images: bool

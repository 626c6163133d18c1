"""Presigned URLs of media, valid for whole seconds and reused for half of their lifetime."""

from collections import OrderedDict
from datetime import datetime, timedelta

from stories_shared.s3.objects import Objects

from stories_feed.usecases.ports import SignedUrl

# Signing takes about 50 microseconds.
MAX_CACHED_URLS = 50_000


class SignedUrlCache:
    """`Media` of one bucket: signs and caches URLs."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._cache: OrderedDict[tuple[str, timedelta, datetime, str | None], SignedUrl] = OrderedDict()

    def url(
        self, key: str, ttl: timedelta, expires_at: datetime, now: datetime, download_as: str | None = None
    ) -> SignedUrl:
        name = key, ttl, expires_at, download_as
        cached = self._cache.get(name)
        if cached is not None and now < cached.used_until:
            self._cache.move_to_end(name)
            return cached
        lifetime = min(ttl, expires_at - now)
        seconds = int(lifetime.total_seconds())
        overrides = {"cache_control": f"private, max-age={seconds}"}
        if download_as is not None:
            overrides["content_disposition"] = f'attachment; filename="{download_as}"'
        url = self._objects.presign_get(key, seconds, now, **overrides)
        # The signature's time is truncated to whole seconds, so the URL may end up to a second sooner.
        ends_at = now.replace(microsecond=0) + timedelta(seconds=seconds)
        signed = self._cache[name] = SignedUrl(url, ends_at, now + timedelta(seconds=seconds) / 2)
        self._cache.move_to_end(name)
        if len(self._cache) > MAX_CACHED_URLS:
            self._cache.popitem(last=False)
        return signed

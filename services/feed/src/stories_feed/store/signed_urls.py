"""URLs of media, signed for whole seconds and handed out again until half of their life is over."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from stories_shared.s3.objects import Objects

from stories_feed.usecases.items import SignedUrl

# Signing costs some 50 microseconds, so what is popular is signed once in a while.
MAX_CACHED_URLS = 50_000


@dataclass(frozen=True, slots=True)
class CachedUrl:
    """A URL and until when it is handed out."""

    signed: SignedUrl
    reuse_until: datetime


class SignedUrlCache:
    """Signs URLs of one bucket."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._held: OrderedDict[tuple[str, timedelta, datetime, str | None], CachedUrl] = OrderedDict()

    def url(
        self, key: str, ttl: timedelta, expires_at: datetime, now: datetime, download_as: str | None = None
    ) -> SignedUrl:
        """A URL that lives for whole seconds, at most ``ttl`` and not past ``expires_at``, which is a second away."""
        name = key, ttl, expires_at, download_as
        held = self._held.get(name)
        if held is not None and now < held.reuse_until:
            self._held.move_to_end(name)
            return held.signed
        life = min(ttl, expires_at - now)
        seconds = int(life.total_seconds())
        overrides = {"cache_control": f"private, max-age={seconds}"}
        if download_as is not None:
            overrides["content_disposition"] = f'attachment; filename="{download_as}"'
        url = self._objects.presign_get(key, seconds, now, **overrides)
        # The signature's clock shows whole seconds, cut down, so the URL may end a part of a second sooner.
        ends_at = now.replace(microsecond=0) + timedelta(seconds=seconds)
        held = CachedUrl(SignedUrl(url, ends_at), now + timedelta(seconds=seconds) / 2)
        self._held[name] = held
        self._held.move_to_end(name)
        if len(self._held) > MAX_CACHED_URLS:
            self._held.popitem(last=False)
        return held.signed

"""Tokens for a browser's EventSource, which cannot send a header: good only in the query of one route, for minutes."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from stories_shared.auth.signed_text import BadSignature, Key, Signer
from stories_shared.auth.tokens import Caller, Unauthenticated
from stories_shared.clock import Clock

TOKEN_TTL = timedelta(minutes=10)  # contract


class BrowserTokens:
    """Signs and verifies them. A token holds user, country and its end; never roles."""

    def __init__(self, keys: Sequence[Key], now: Clock) -> None:
        self._signer = Signer(keys, "live.1")
        self._now = now

    def sign(self, caller: Caller) -> tuple[str, datetime]:
        """A token of the caller, and its end: in ten minutes, or with the token that the caller has."""
        ends_at = (self._now() + TOKEN_TTL).replace(microsecond=0)
        if caller.expires_at is not None:
            ends_at = min(ends_at, caller.expires_at)
        content = (caller.user_id, caller.country, int(ends_at.timestamp()))
        return self._signer.sign(msgspec.msgpack.encode(content)), ends_at

    def caller(self, token: str) -> Caller:
        """The caller of a token. Raises Unauthenticated."""
        try:
            content = msgspec.msgpack.decode(self._signer.verify(token), type=tuple[str, str | None, int])
        except (BadSignature, msgspec.MsgspecError, ValueError) as error:
            raise Unauthenticated("not a token of this route") from error
        user_id, country, ends = content
        ends_at = datetime.fromtimestamp(ends, UTC)
        if ends_at <= self._now():
            raise Unauthenticated("the token has expired")
        return Caller(user_id, country, expires_at=ends_at)

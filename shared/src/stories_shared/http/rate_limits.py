"""How often: per user and minute, counted in this process, told in the headers of the IETF's RateLimit draft.

``RateLimit-Policy: "comments";q=30;w=60`` and ``RateLimit: "comments";r=29;t=37`` (draft-ietf-httpapi-ratelimit-headers
from version 08 on): structured fields with the policy's name, remaining quota and seconds until it is whole again.

The counting is our own: the package ``limits`` looks through all of its users at each hit of its in-memory storage
(measured: 0.06 ms with 100 users, 1.8 ms with 10,000).
"""

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from fastapi import Depends
from starlette.requests import Request

from stories_shared.clock import Clock, system_now
from stories_shared.http.authentication import CurrentCaller
from stories_shared.http.problems import too_many

WINDOW = timedelta(minutes=1)  # contract
WINDOW_S = int(WINDOW.total_seconds())


class FixedWindows:
    """One minute each from its first hit on, by key. Two generations, swapped once a minute, forget without looking."""

    def __init__(self, now: Clock) -> None:
        self.now = now
        self.young: dict[str, tuple[datetime, int]] = {}
        self.old: dict[str, tuple[datetime, int]] = {}
        self.swapped = now()

    def take(self, key: str, cost: int, quota: int) -> tuple[bool, int, int]:
        """Takes ``cost`` if it fits, else nothing. Says whether, what is left, and in how many seconds all is."""
        now = self.now()
        if not timedelta(0) <= now - self.swapped < WINDOW:
            self.young, self.old, self.swapped = {}, self.young, now
        since, spent = self.young.get(key) or self.old.get(key) or (now, 0)
        if not timedelta(0) <= now - since < WINDOW:
            since, spent = now, 0
        fits = spent + cost <= quota
        if fits:
            spent += cost
            self.young[key] = (since, spent)
        return fits, max(0, quota - spent), max(1, math.ceil((since + WINDOW - now).total_seconds()))


class RateLimits:
    """Quotas a minute by name, ``{"comments": 30}``. ``on_refused`` counts (``rate_limited_total{limit}``)."""

    def __init__(
        self,
        quotas: Mapping[str, int],
        on_refused: Callable[[str], object] = lambda name: None,  # noqa: ARG005
        now: Clock = system_now,
    ) -> None:
        self.quotas = dict(quotas)
        self.windows = {name: FixedWindows(now) for name in quotas}
        self.on_refused = on_refused

    def spend(self, request: Request, name: str, user_id: str, cost: int = 1) -> None:
        """Takes ``cost`` from the user's minute and says so in the answer. Raises the 429 problem, taking nothing."""
        quota = self.quotas[name]
        taken, remaining, seconds = self.windows[name].take(user_id, cost, quota)
        request.scope.setdefault("stories.headers", []).extend(headers(name, quota, remaining, seconds))
        if not taken:
            self.on_refused(name)
            raise too_many(seconds, detail=f"at most {quota} {name} a minute")


def headers(name: str, quota: int, remaining: int, left: int) -> list[tuple[bytes, bytes]]:
    return [
        (b"ratelimit-policy", f'"{name}";q={quota};w={WINDOW_S}'.encode()),
        (b"ratelimit", f'"{name}";r={remaining};t={left}'.encode()),
    ]


def consume(request: Request, name: str, user_id: str, cost: int = 1) -> None:
    """For plain Starlette routes and for costs known only later: ``RateLimits.spend`` of the application."""
    limits: RateLimits = request.app.state.limits
    limits.spend(request, name, user_id, cost)


class RateLimitDependency:
    """The dependency that ``rate_limited`` makes; documentation finds routes by it."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def __call__(self, request: Request, caller: CurrentCaller) -> None:
        consume(request, self.name, caller.user_id)


def rate_limited(name: str) -> Any:
    """``@router.post(…, dependencies=[limited("comments")])``: one of the caller's minute, else 429."""
    return Depends(RateLimitDependency(name))

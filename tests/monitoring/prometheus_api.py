"""A client for the HTTP API of Prometheus."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpx

from .sources import LocatedQuery


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str
    http: httpx.AsyncClient

    async def get(self, path: str, **params: str) -> Any:
        """The data of a response."""
        answer = await self.http.get(f"{self.url}/api/v1/{path}", params=params)
        assert answer.status_code == 200, f"{params}: {answer.text}"
        return answer.json()["data"]

    async def values(self, expr: str) -> list[float]:
        """The current value of an expression: one number per series, none without data."""
        found = [float(each["value"][1]) for each in (await self.get("query", query=expr))["result"]]
        return [value for value in found if not math.isnan(value)]

    async def silent(self, queries: Iterable[LocatedQuery]) -> list[LocatedQuery]:
        """The queries without data."""
        return [asked for asked in queries if not await self.values(asked.expr)]

    async def rules(self) -> list[dict[str, Any]]:
        """Every loaded rule, with its health and, for alerts, its state."""
        return [rule for group in (await self.get("rules"))["groups"] for rule in group["rules"]]

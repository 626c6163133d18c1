"""A running stack with users."""

import secrets
from dataclasses import dataclass
from typing import Any

import httpx

from .people import Person
from .samples import Samples
from .stack import Stack
from .stores import Stores


@dataclass
class Installation:
    """Everything that a journey needs."""

    stack: Stack
    http: httpx.AsyncClient
    samples: Samples

    def person(self, name: str, **claims: Any) -> Person:
        """A new user."""
        return self.known(f"{name}-{secrets.token_hex(4)}", **claims)

    def people(self, *names: str) -> list[Person]:
        """Several new users."""
        return [self.person(name) for name in names]

    def known(self, user_id: str, **claims: Any) -> Person:
        """A user with exactly this id."""
        return Person(user_id, self.stack.token(user_id, **claims), self.http, self.samples.photo())

    def admin(self) -> Person:
        """A user with the role `admin`."""
        return self.person("root", roles=["admin"])

    @property
    def short(self) -> str:
        """The short lifetime."""
        return self.stack.short

    async def stores(self) -> Stores:
        """The stores behind the gateway."""
        return Stores(await self.stack.env())

"""Paging: limits, positions, and cursors that are bound to a user and a route."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from fastapi import Depends, Query
from pydantic import BaseModel, BeforeValidator
from pydantic_core import PydanticCustomError

from stories_shared.auth.signed_text import MAX_SIGNED_CHARACTERS, BadSignature, Key, Signer
from stories_shared.http.problems import Problem
from stories_shared.http.queries import bad_query

DEFAULT_LIMIT = 20  # contract
MAX_LIMIT = 100  # contract
NOT_A_LIMIT = "must be a whole number from 1 to 100"

T = TypeVar("T")


def digits_only(value: object) -> object:
    """Reject ``limit=1_0``, ``+5`` and `` 5``, which Python's ``int`` accepts."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit() and len(value) <= 3):
        raise PydanticCustomError("limit", NOT_A_LIMIT)
    return value


Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT), BeforeValidator(digits_only)]
CursorText = Annotated[str | None, Query(max_length=MAX_SIGNED_CHARACTERS)]


@dataclass(frozen=True, slots=True)
class PageParams:
    """The requested part of a list."""

    limit: Limit = DEFAULT_LIMIT
    cursor: CursorText = None


Paged = Annotated[PageParams, Depends()]
"""``async def route(page: Paged)``."""


def read_page(query: dict[str, str]) -> PageParams:
    """The same for raw routes, from ``queries.query(request, "limit", "cursor", …)``; 422."""
    text = query.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MAX_LIMIT):
        raise bad_query("limit", NOT_A_LIMIT)
    cursor = query.get("cursor")
    if cursor is not None and len(cursor) > MAX_SIGNED_CHARACTERS:
        raise bad_cursor()
    return PageParams(int(text), cursor)


class Page(BaseModel, Generic[T]):
    """A page of a list. ``next_cursor`` is null on the last page."""

    items: list[T]
    next_cursor: str | None = None


VERSION = 1
"""The format of cursors. A cursor of another version is rejected, and the client starts again."""


class Cursors:
    """Encodes and decodes signed cursors. A position is a tuple of strings, numbers and times."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self.signer = Signer(keys, "cursor.1")

    def encode(self, route: str, user_id: str, position: Sequence[Any]) -> str:
        """A cursor for one user on one route (any string that names the list and its filters)."""
        return self.signer.sign(msgspec.msgpack.encode((VERSION, position)), bound_to(route, user_id))

    def decode(self, route: str, user_id: str, cursor: str, shape: type[T]) -> T:
        """The position. Raises the 422 problem for a cursor that is forged, or of another user or list."""
        try:
            position: T
            read = decoder(shape)  # type: ignore[arg-type]
            _, position = read.decode(self.signer.verify(cursor, bound_to(route, user_id)))
        except (BadSignature, msgspec.MsgspecError, ValueError) as error:
            raise bad_cursor() from error
        return position

    def position(self, route: str, user_id: str, page: PageParams, shape: type[T]) -> T | None:
        """The position after which a page begins; None on the first one.

        Args:
            route: the list's name.
            user_id: the user of the cursor.
            page: the requested page.
            shape: the type of a position, ``tuple[datetime, str]``.

        Raises:
            Problem: 422; it is no cursor of this list.
        """
        return None if page.cursor is None else self.decode(route, user_id, page.cursor, shape)

    def cut(
        self,
        route: str,
        user_id: str,
        page: PageParams,
        found: Sequence[T],
        position_of: Callable[[T], Sequence[Any]],
    ) -> tuple[Sequence[T], str | None]:
        """The items of a page and the cursor of the next one; ``found`` has one item more if there is a next page."""
        items = found[: page.limit]
        more = len(found) > page.limit
        return items, self.encode(route, user_id, position_of(items[-1])) if more else None


@cache
def decoder(shape: Hashable) -> msgspec.msgpack.Decoder[Any]:
    """Decodes a position of this type and of this version only."""
    return msgspec.msgpack.Decoder(tuple[Literal[VERSION], shape])  # type: ignore[valid-type]


def bound_to(route: str, user_id: str) -> bytes:
    return f"{route}\n{user_id}".encode()


def bad_cursor() -> Problem:
    return bad_query("cursor", "not a cursor of this list")

"""What the feed's answers look like, and how they are made: ready bytes and entity tags."""

import hashlib
import re
from collections.abc import Iterable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from stories_shared.auth.tokens import USER_ID
from stories_shared.http.problems import Problem, problem
from stories_shared.http.raw_routes import BytesResponse

from stories_feed.usecases.items import Item, ItemWithAccess

JSON = (b"content-type", b"application/json")
REVALIDATED = (b"cache-control", b"private, no-cache")
IS_USER_ID = re.compile(USER_ID).fullmatch
USER_ID_SCHEMA = {"type": "string", "pattern": USER_ID}
USER_IDS_QUERY = {
    "user_ids": {
        "type": "string",
        "description": "user ids, separated by commas",
        "pattern": f"^{USER_ID[1:-1]}(,{USER_ID[1:-1]})*$",
        "examples": ["ann,bob"],
    }
}

# Of the release that made a tag: what another one shows of the same story may have more in it.
FIELDS = Item.__struct_fields__
encode = msgspec.json.Encoder().encode


class Reel(msgspec.Struct, frozen=True, kw_only=True):
    """A page of an author's live stories, oldest first; For You: newest first."""

    items: list[Item]
    next_cursor: str | None


class Reels(msgspec.Struct, frozen=True, kw_only=True):
    """The first items of several reels."""

    reels: dict[str, list[Item]]


class RingResponse(msgspec.Struct, frozen=True, kw_only=True):
    """An author in the tray. ``poster_url`` is null while nobody can vouch for the story."""

    author_id: str
    ring: str
    stories: int
    unseen: int
    latest_at: str
    expires_at: str
    poster_url: str | None


class TrayResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the tray: unseen first, then newest; beside it the viewer's own ring."""

    items: list[RingResponse]
    mine: RingResponse | None
    next_cursor: str | None


class RingsResponse(msgspec.Struct, frozen=True, kw_only=True):
    """``unseen``, ``seen`` or ``none`` by author."""

    rings: dict[str, str]


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody on a list, and since when."""

    user_id: str
    since: str


class Edges(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a list of users, newest first."""

    items: list[Edge]
    next_cursor: str | None


def as_json(answer: msgspec.Struct, *headers: tuple[bytes, bytes]) -> Response:
    """An answer as bytes."""
    return BytesResponse(encode(answer), [JSON, *headers])


def conditional_response(request: Request, answer: msgspec.Struct, essence: Any, window: int) -> Response:
    """The answer with its tag, or 304 where the client has one of the same essence and the same window of time."""
    digest = hashlib.blake2b(encode((FIELDS, window, essence)), digest_size=12).hexdigest()
    headers = (b"etag", f'W/"{digest}"'.encode()), REVALIDATED
    asked = [value.decode("latin-1") for name, value in request.scope["headers"] if name == b"if-none-match"]
    if asked and digest in if_none_match(asked):
        return BytesResponse(b"", [*headers], 304)
    return as_json(answer, *headers)


def if_none_match(values: Iterable[str]) -> set[str]:
    """The tags that a client names, without quotes; compared weakly (RFC 9110, 13.1.2)."""
    tags = (tag.strip() for value in values for tag in value.split(","))
    return {tag.removeprefix("W/").strip('"') for tag in tags}


def cacheable_part(shown: ItemWithAccess) -> tuple[Any, ...]:
    """What of an item a client must be told of: all but its URLs and the ticket's text.

    All the rest of it follows from the story's revision and from what is named here.
    """
    item = shown.item
    return item.id, shown.revision, shown.access_revision, item.seen, item.can.comment


def user_ids_of(text: str | None, at_most: int) -> list[str]:
    """The users named in a query, each once. 422 for none, too many or what is no user id."""
    users = list(dict.fromkeys((text or "").split(",")))
    if len(users) > at_most:
        raise bad_user_ids(f"must be at most {at_most}")
    if not all(IS_USER_ID(user) for user in users):
        raise bad_user_ids("must be user ids, separated by commas")
    return users


def bad_user_ids(msg: str) -> Problem:
    return problem("invalid", "bad query", errors=[{"loc": ["query", "user_ids"], "msg": msg}])

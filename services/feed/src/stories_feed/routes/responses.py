"""Responses that several routes share: pages of items, encoded as bytes, with entity tags."""

import hashlib
import re
from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from stories_shared.auth.tokens import USER_ID
from stories_shared.http.queries import bad_query
from stories_shared.http.raw_routes import BytesResponse

from stories_feed.usecases.build_items import ItemWithAccess
from stories_feed.usecases.items import ReelItem

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

encode = msgspec.json.Encoder().encode
# Part of every tag: another release may show more fields of the same story.
FIELDS = hashlib.blake2b(encode(ReelItem.__struct_fields__), digest_size=12).digest()


class ReelPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of an author's live stories, oldest first; For You: newest first."""

    items: list[ReelItem]
    next_cursor: str | None


class ReelBatch(msgspec.Struct, frozen=True, kw_only=True):
    """The first items of several reels."""

    reels: Annotated[dict[str, list[ReelItem]], Meta(description="items by user id, at most 20 of each")]


def as_json(response: msgspec.Struct, *headers: tuple[bytes, bytes]) -> Response:
    """A JSON response."""
    return BytesResponse(encode(response), [JSON, *headers])


def conditional_response(request: Request, response: msgspec.Struct, cacheable: Any, window: int) -> Response:
    """The response with an entity tag, or 304 if the client has the same content of the same cache window."""
    digest = hashlib.blake2b(FIELDS + encode((window, cacheable)), digest_size=12).hexdigest()
    headers = (b"etag", f'W/"{digest}"'.encode()), REVALIDATED
    tags = [value.decode("latin-1") for name, value in request.scope["headers"] if name == b"if-none-match"]
    if tags and digest in if_none_match(tags):
        return BytesResponse(b"", [*headers], 304)
    return as_json(response, *headers)


def if_none_match(values: Iterable[str]) -> set[str]:
    """The tags in ``If-None-Match``, without quotes; compared weakly (RFC 9110, 13.1.2)."""
    tags = (tag.strip() for value in values for tag in value.split(","))
    return {tag.removeprefix("W/").strip('"') for tag in tags}


def cacheable_part(entry: ItemWithAccess) -> tuple[Any, ...]:
    """The part of an item that its tag covers: all but URLs and ticket. The story's revision implies the rest."""
    story = entry.story
    return story.story_id, story.revision, story.access_revision, entry.seen, entry.may_comment


def ready_items(entries: Iterable[ItemWithAccess]) -> Any:
    """The items, which are JSON already, for a response."""
    return [msgspec.Raw(entry.body) for entry in entries]


def user_ids_of(text: str | None, limit: int) -> list[str]:
    """The user ids in a query, without duplicates. 422 for none, too many, or an invalid one."""
    users = list(dict.fromkeys((text or "").split(",")))
    if len(users) > limit:
        raise bad_query("user_ids", f"must be at most {limit}")
    if not all(IS_USER_ID(user) for user in users):
        raise bad_query("user_ids", "must be user ids, separated by commas")
    return users

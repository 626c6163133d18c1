"""Items: stories as a viewer gets them."""

import secrets
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from stories_shared.auth.tickets import SignFor
from stories_shared.events import Audience, Kind, Preview, Sound

# Free-form JSON of the author, passed through unchanged.
Layers = Annotated[
    msgspec.Raw,
    Meta(extra_json_schema={"type": "array", "items": {"$ref": "#/components/schemas/Layer"}, "maxItems": 50}),
]
NO_LAYERS = msgspec.Raw(b"[]")
encode = msgspec.json.Encoder().encode
# Stand for what differs between viewers while an item is encoded for all of them; unguessable, so in no user's text.
SEEN, TICKET, TICKET_END = (secrets.token_hex(16) for _ in range(3))


class RepostedFrom(msgspec.Struct, frozen=True, kw_only=True):
    """The story that a repost copies, and its author."""

    story_id: Annotated[str, Meta(description="id of the original")]
    author_id: Annotated[str, Meta(description="its author")]


class Permissions(msgspec.Struct, frozen=True, kw_only=True):
    """What the viewer may do with a story."""

    comment: Annotated[bool, Meta(description="whether the viewer may comment")]
    react: Annotated[bool, Meta(description="whether the viewer may react")]
    share: Annotated[bool, Meta(description="whether the viewer may get a link to share")]
    download: Annotated[bool, Meta(description="whether the viewer may download the media")]


class Rendition(msgspec.Struct, frozen=True, kw_only=True):
    """One size of the media."""

    url: Annotated[str, Meta(description="presigned, until `urls_expire_at`")]
    content_type: Annotated[str, Meta(description="media type")]
    width: Annotated[int, Meta(ge=1, description="pixels as displayed")]
    height: Annotated[int, Meta(ge=1, description="pixels as displayed")]
    size: Annotated[int, Meta(ge=1, description="bytes")]
    codecs: Annotated[str | None, Meta(description="after RFC 6381, such as `avc1.640028,mp4a.40.2`; null for photos")]


class ReelItem(msgspec.Struct, frozen=True, kw_only=True):
    """A story as a viewer gets it. Times are RFC 3339 strings, sizes are bytes."""

    id: str
    author_id: str
    kind: Kind
    label: Annotated[Literal["Story"], Meta(description="what to label it with among other posts")] = "Story"
    audience: Audience
    posted_at: str
    expires_at: str
    duration_ms: int | None
    width: int
    height: int
    content_type: str
    size: int
    has_audio: bool
    codecs: str | None
    media_url: str
    poster_url: str
    download_url: str | None
    renditions: Annotated[
        tuple[Rendition, ...], Meta(description="every size of the media, the first is `media_url`'s")
    ] = ()
    urls_expire_at: str
    caption: str | None
    layers: Layers
    sound: Sound | None
    captions_track: str | None
    alt_text: str | None
    seen: bool
    series_id: str | None
    part: int
    parts: int
    viewers_listed: Annotated[bool, Meta(description="whether the author sees who viewed it")]
    can: Permissions
    ticket: Annotated[
        str, Meta(description="what the viewer may do, signed; for the header `Story-Ticket` and `POST /v1/views`")
    ]
    ticket_expires_at: Annotated[str, Meta(description="when the ticket ends; ask for the story again before")]
    captions_url: str | None
    preview: Annotated[Preview | None, Meta(description="what to show until the media is there")]
    reposted_from: Annotated[RepostedFrom | None, Meta(description="the story that this one copies")]


class ReadyItem(msgspec.Struct, frozen=True):
    """The bytes of an item that are the same for every viewer who may comment, or for every other."""

    until: datetime
    """Until when its URLs are used."""
    before_seen: bytes
    before_ticket: bytes
    before_ticket_end: bytes
    after: bytes
    sign_for: SignFor
    """Signs the story's ticket."""

    @classmethod
    def of(cls, item: ReelItem, until: datetime, sign_for: SignFor) -> "ReadyItem":
        """Encode an item with the stand-ins, and split it there."""
        before_seen, rest = encode(item).split(b'"%b"' % SEEN.encode())
        before_ticket, rest = rest.split(TICKET.encode())
        before_ticket_end, after = rest.split(TICKET_END.encode())
        return cls(until, before_seen, before_ticket, before_ticket_end, after, sign_for)

    def body(self, seen: bool, ticket: bytes, ticket_end: bytes) -> bytes:
        """The item for one viewer."""
        shown = b"true" if seen else b"false"
        return b"".join(
            (self.before_seen, shown, self.before_ticket, ticket, self.before_ticket_end, ticket_end, self.after)
        )

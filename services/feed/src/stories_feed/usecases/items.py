"""Items: a story's content for one viewer, with short-lived URLs and a ticket."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Protocol

import msgspec
from msgspec import Meta
from stories_shared.auth.tickets import SignFor, Ticket, encoded
from stories_shared.clock import epoch_ms, rfc3339
from stories_shared.events import Audience, CommentsFrom, Kind, Preview, Sound

from stories_feed.domain.live import LiveStory
from stories_feed.domain.ttl import MIN_REMAINING, TtlPolicy
from stories_feed.domain.visibility import Relation, may_comment, may_see
from stories_feed.usecases.visible_stories import VisibleStories

# Free-form JSON of the author, passed through unchanged.
Layers = Annotated[
    msgspec.Raw,
    Meta(extra_json_schema={"type": "array", "items": {"$ref": "#/components/schemas/Layer"}, "maxItems": 50}),
]
NO_LAYERS = msgspec.Raw(b"[]")
encode = msgspec.json.Encoder().encode


class RepostedFrom(msgspec.Struct, frozen=True, kw_only=True):
    """The story that a repost copies, and its author."""

    story_id: Annotated[str, Meta(description="id of the original")]
    author_id: Annotated[str, Meta(description="its author")]


class ContentMedia(msgspec.Struct, frozen=True):
    """The fields of a story's media that an item shows."""

    key: str
    poster_key: str
    content_type: str
    size: int
    width: int
    height: int
    duration_ms: int | None = None
    has_audio: bool = False
    codecs: str | None = None
    captions_key: str | None = None


class ContentRendition(msgspec.Struct, frozen=True):
    """The fields of a rendition that an item shows."""

    key: str
    content_type: str
    size: int
    width: int
    height: int
    codecs: str | None = None


class StoryContent(msgspec.Struct, frozen=True, kw_only=True):
    """A stored `StoryPosted`. Its bounds were checked when it was consumed and are not checked again."""

    story_id: str
    author_id: str
    posted_at: datetime
    expires_at: datetime
    kind: Kind
    media: ContentMedia
    audience: Audience = "everyone"
    hide_from: frozenset[str] = frozenset()
    comments: CommentsFrom = "everyone"
    reactions: bool = True
    sharing: bool = True
    download: bool = False
    view_list: bool = True
    caption: str | None = None
    layers: Layers = NO_LAYERS
    sound: Sound | None = None
    captions_track: str | None = None
    alt_text: str | None = None
    series_id: str | None = None
    part: int = 1
    parts: int = 1
    revision: int = 1
    access_revision: int = 1
    renditions: tuple[ContentRendition, ...] = ()
    preview: Preview | None = None
    reposted_from: RepostedFrom | None = None


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


decode = msgspec.json.Decoder(ReelItem).decode
# Stand for what differs between viewers while an item is encoded for all of them; unguessable, so in no user's text.
SEEN, TICKET, TICKET_END = (secrets.token_hex(16) for _ in range(3))


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


class TicketEnd(msgspec.Struct, frozen=True):
    """When a ticket ends, also as tickets and items have it; most tickets of a page end at the same time."""

    at: datetime
    signed: bytes
    shown: bytes

    @classmethod
    def of(cls, at: datetime) -> "TicketEnd":
        """The end in all of its forms."""
        return cls(at, encoded(epoch_ms(at)), rfc3339(at).encode())


@dataclass(frozen=True, slots=True)
class StoredStory:
    """A story's content, its times as RFC 3339 strings, and its key in seen marks."""

    content: StoryContent
    seen_key: int
    posted_at: str
    expires_at: str
    ready: dict[bool, ReadyItem] = field(default_factory=dict, compare=False)
    """Its item for viewers who may comment and for those who may not, kept as long as the content is."""

    @classmethod
    def of(cls, content: StoryContent, seen_key: int) -> "StoredStory":
        """Format the times, and leave out the answers of quizzes: no viewer's item has them."""
        if b'"correct"' in bytes(content.layers):
            content = msgspec.structs.replace(content, layers=without_answers(content.layers))
        return cls(content, seen_key, rfc3339(content.posted_at), rfc3339(content.expires_at))


class ItemWithAccess(msgspec.Struct, frozen=True):
    """An item as JSON, and what pages need to know of it."""

    body: bytes
    story: StoryContent
    seen: bool
    may_comment: bool

    @property
    def item(self) -> ReelItem:
        """The decoded item."""
        return decode(self.body)


class Contents(Protocol):
    """Reads the content of stories."""

    async def recent_contents(self, stories: Mapping[str, int]) -> Mapping[str, StoredStory]:
        """The content of the stories that have a readable document of at least the given revision."""
        ...

    def evict(self, story_id: str) -> None:
        """Drop a story from the caches of this process."""
        ...


@dataclass(frozen=True, slots=True)
class SignedUrl:
    """A presigned URL, when it ends, and until when it is used for new responses."""

    url: str
    ends_at: datetime
    used_until: datetime


class Media(Protocol):
    """Signs URLs of media."""

    def url(
        self, key: str, ttl: timedelta, expires_at: datetime, now: datetime, download_as: str | None = None
    ) -> SignedUrl:
        """A URL valid for whole seconds, at most ``ttl`` and not past ``expires_at``; reused for half its lifetime.

        Args:
            key: of the object.
            ttl: the maximum lifetime.
            expires_at: the end of the story, at least a second away.
            now: the time at which that was checked.
            download_as: the file name, if the URL is to download the object.
        """
        ...


class TicketSigner(Protocol):
    """Signs tickets."""

    def of_story(self, ticket: Ticket) -> SignFor:
        """What signs this ticket for other viewers, ends and friendships."""
        ...


@dataclass(frozen=True, slots=True)
class BuildItems:
    """Build the items of stories that the viewer may see according to the index."""

    visible_stories: VisibleStories
    stories: Contents
    media: Media
    tickets: TicketSigner
    ttl_policy: TtlPolicy

    async def __call__(
        self,
        viewer_id: str,
        relations: Mapping[str, Relation],
        seen: Collection[int],
        live_stories: Sequence[LiveStory],
        *,
        admin: bool = False,
    ) -> list[ItemWithAccess]:
        """Items for the stories, in their order.

        A story is left out while its document is missing or older than the index, and if its newer document forbids
        the viewer to see it.

        Args:
            viewer_id: the viewer.
            relations: the viewer's relations to the authors.
            seen: keys of the stories that the viewer has seen.
            live_stories: visible to the viewer according to the index.
            admin: whether the viewer may see every live story.

        Raises:
            Unavailable: partitions of a story are stale, so it may have ended, or MongoDB does not answer.
        """
        if not live_stories:
            return []
        contents = await self.stories.recent_contents({story.story_id: story.revision for story in live_stories})
        self.visible_stories.require_fresh(story.story_id for story in live_stories)
        now, index = self.visible_stories.now(), self.visible_stories.index
        horizon, viewer, ends = now + MIN_REMAINING, encoded(viewer_id), dict[Audience, TicketEnd]()
        items = []
        for live in live_stories:
            stored = contents.get(live.story_id)
            current = index.get(live.story_id, now)
            if current is None:
                self.stories.evict(live.story_id)
                continue
            if stored is None or current.expires_at < horizon:
                continue
            story = stored.content
            if story.revision < current.revision:
                continue
            relation = relations[live.author_id]
            allowed = current is live or may_see(viewer_id, relation, current)
            if admin or (allowed and may_see(viewer_id, relation, story)):
                items.append(self._item(viewer, relation, stored, stored.seen_key in seen, now, ends))
        return items

    def _item(
        self,
        viewer: bytes,
        relation: Relation,
        stored: StoredStory,
        seen: bool,
        now: datetime,
        ends: dict[Audience, TicketEnd],
    ) -> ItemWithAccess:
        story, comment = stored.content, may_comment(relation, stored.content.comments)
        ready = stored.ready.get(comment)
        if ready is None or now >= ready.until:
            ready = stored.ready[comment] = self._ready(stored, comment, now)
        end = ends.get(story.audience)
        if end is None:
            end = ends[story.audience] = TicketEnd.of(now + self.ttl_policy.ticket_ttl(story.audience))
        if story.expires_at < end.at:
            end = TicketEnd.of(story.expires_at)
        ticket = ready.sign_for(viewer, end.signed, relation.follows, relation.friend)
        return ItemWithAccess(ready.body(seen, ticket, end.shown), story, seen, comment)

    def _ready(self, stored: StoredStory, comment: bool, now: datetime) -> ReadyItem:
        story = stored.content
        ttl = self.ttl_policy.url_ttl(story.audience)
        media = self.media.url(story.media.key, ttl, story.expires_at, now)
        poster = self.media.url(story.media.poster_key, ttl, story.expires_at, now)
        sizes = [self.media.url(rendition.key, ttl, story.expires_at, now) for rendition in story.renditions]
        urls = [media, poster, *sizes]
        download = captions = None
        if story.download:
            name = f"story-{story.story_id}.{extension(story.media.key)}"
            download = self.media.url(story.media.key, ttl, story.expires_at, now, download_as=name)
            urls.append(download)
        if story.media.captions_key is not None:
            captions = self.media.url(story.media.captions_key, ttl, story.expires_at, now)
            urls.append(captions)
        item = ReelItem(
            id=story.story_id,
            author_id=story.author_id,
            kind=story.kind,
            audience=story.audience,
            posted_at=stored.posted_at,
            expires_at=stored.expires_at,
            duration_ms=story.media.duration_ms,
            width=story.media.width,
            height=story.media.height,
            content_type=story.media.content_type,
            size=story.media.size,
            has_audio=story.media.has_audio,
            codecs=story.media.codecs,
            media_url=media.url,
            poster_url=poster.url,
            download_url=download.url if download else None,
            renditions=tuple(
                Rendition(
                    url=signed.url,
                    content_type=rendition.content_type,
                    width=rendition.width,
                    height=rendition.height,
                    size=rendition.size,
                    codecs=rendition.codecs,
                )
                for rendition, signed in zip(story.renditions, sizes, strict=True)
            ),
            urls_expire_at=rfc3339(min(url.ends_at for url in urls)),
            caption=story.caption,
            layers=story.layers,
            sound=story.sound,
            captions_track=story.captions_track,
            alt_text=story.alt_text,
            seen=stand_in(SEEN),
            series_id=story.series_id,
            part=story.part,
            parts=story.parts,
            viewers_listed=story.view_list,
            can=Permissions(
                comment=comment,
                react=story.reactions,
                share=story.sharing,
                download=story.download,
            ),
            ticket=TICKET,
            ticket_expires_at=TICKET_END,
            captions_url=captions.url if captions else None,
            preview=story.preview,
            reposted_from=story.reposted_from,
        )
        until = min(url.used_until for url in urls)
        return ReadyItem.of(item, until, self.tickets.of_story(ticket_of(story)))


def stand_in(text: str) -> Any:
    """A stand-in for a value of another type."""
    return text


def ticket_of(story: StoryContent) -> Ticket:
    """The story's ticket for nobody."""
    return Ticket(
        viewer_id="",
        author_id=story.author_id,
        story_id=story.story_id,
        access_revision=story.access_revision,
        ends_at=story.expires_at,
        expires_at=story.expires_at,
        comments=story.comments,
        friend=False,
        reactions=story.reactions,
        sharing=story.sharing,
        download=story.download,
        view_list=story.view_list,
        part=story.part,
        parts=story.parts,
        series_id=story.series_id,
    )


def without_answers(layers: msgspec.Raw) -> msgspec.Raw:
    """The layers without the `correct` of quizzes."""
    shown = [
        {name: value for name, value in layer.items() if name != "correct"} if layer.get("kind") == "quiz" else layer
        for layer in msgspec.json.decode(layers)
    ]
    return msgspec.Raw(msgspec.json.encode(shown))


def extension(key: str) -> str:
    """The file name extension of an object's key, or ``bin``."""
    name = key.rsplit("/", 1)[-1]
    return name.rsplit(".", 1)[1] if "." in name else "bin"

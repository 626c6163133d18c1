"""The content of stories as it is stored."""

from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from stories_shared.events import Audience, CommentsFrom, Kind, Preview, Sound

from stories_feed.usecases.items import NO_LAYERS, Layers, ReadyItem, RepostedFrom


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


@dataclass(frozen=True, slots=True)
class StoredStory:
    """A story's content, and its key in seen marks."""

    content: StoryContent
    seen_key: int
    ready: dict[bool, ReadyItem] = field(default_factory=dict, compare=False)
    """Its item for viewers who may comment and for those who may not, kept as long as the content is."""

    @classmethod
    def of(cls, content: StoryContent, seen_key: int) -> "StoredStory":
        """Leave out the answers of quizzes: no viewer's item has them."""
        if b'"correct"' in bytes(content.layers):
            content = msgspec.structs.replace(content, layers=without_answers(content.layers))
        return cls(content, seen_key)


@dataclass(frozen=True, slots=True)
class Poster:
    """What a tray shows of a story: the poster of its document's revision, and who may see it."""

    revision: int
    key: str
    audience: Audience


def without_answers(layers: msgspec.Raw) -> msgspec.Raw:
    """The layers without the `correct` of quizzes."""
    shown = [
        {name: value for name, value in layer.items() if name != "correct"} if layer.get("kind") == "quiz" else layer
        for layer in msgspec.json.decode(layers)
    ]
    return msgspec.Raw(msgspec.json.encode(shown))

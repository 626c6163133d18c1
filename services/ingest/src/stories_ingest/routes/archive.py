"""The author's archive of expired stories."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field
from stories_shared.clock import Clock, rfc3339, truncate_to_ms
from stories_shared.http.authentication import CurrentCaller
from stories_shared.http.bodies import Body, StoryId
from stories_shared.http.deadline import DeadlineRoute
from stories_shared.http.paging import Cursors, Page, Paged
from stories_shared.http.rate_limits import rate_limited

from stories_ingest.domain.archive import ArchivedStory
from stories_ingest.domain.story import Audience
from stories_ingest.routes.dependencies import require_archive
from stories_ingest.routes.responses import Layer, MediaKind, RepostedFromResponse, SoundResponse, media_fields
from stories_ingest.store.bucket import MAX_URL_TTL, Bucket
from stories_ingest.usecases.archive import ArchiveRepository, DeleteArchived

ROUTE = "me/archive"


class ArchiveSettings(Body):
    """Whether the caller keeps expired stories."""

    enabled: Annotated[
        bool, Field(description="whether stories that expire from now on are kept, for the caller alone")
    ]


class ArchivedRendition(BaseModel):
    """One size of the media."""

    url: Annotated[str, Field(description="presigned, until `urls_expire_at`")]
    content_type: str
    width: int
    height: int
    size: int
    codecs: str | None


class ArchivedPreview(BaseModel):
    """What to show until the media is there."""

    blurhash: str
    color: str


class ArchivedItemResponse(BaseModel):
    """A story after its public life. It has no ticket: nobody views, reacts or comments any more."""

    id: str
    author_id: str
    kind: MediaKind
    audience: Annotated[Audience, Field(description="who could see the story while it lived")]
    posted_at: Annotated[str, Field(description="when it went live")]
    expires_at: Annotated[str, Field(description="when its public life ended")]
    archived_at: Annotated[str, Field(description="when it was kept")]
    duration_ms: int | None
    width: int
    height: int
    content_type: str
    size: int
    has_audio: bool
    codecs: str | None
    media_url: str
    poster_url: Annotated[str, Field(description="a still picture, a presigned URL that ends with `urls_expire_at`")]
    captions_url: str | None
    renditions: Annotated[
        list[ArchivedRendition], Field(description="every size of the media, the first is `media_url`'s")
    ]
    urls_expire_at: Annotated[str, Field(description="when the URLs end; ask again before")]
    caption: str | None
    layers: list[Layer]
    sound: SoundResponse | None
    captions_track: str | None
    alt_text: str | None
    series_id: str | None
    part: int
    parts: int
    preview: ArchivedPreview | None
    reposted_from: Annotated[RepostedFromResponse | None, Field(description="the original of a repost; else null")]


def archive_routes(
    is_on: bool,
    archive: ArchiveRepository,
    delete: DeleteArchived,
    bucket: Bucket,
    cursors: Cursors,
    now: Clock,
) -> APIRouter:
    """The routes of the caller's archive."""
    router = APIRouter(route_class=DeadlineRoute, tags=["Archive"])
    enabled = Depends(require_archive(is_on))
    reads, writes = [rate_limited("reads"), enabled], [rate_limited("writes"), enabled]

    @router.get("/v1/me/archive-settings", dependencies=reads)
    async def get_archive_settings(caller: CurrentCaller) -> ArchiveSettings:
        """Whether the caller keeps expired stories; not by default."""
        return ArchiveSettings(enabled=await archive.enabled(caller.user_id))

    @router.put("/v1/me/archive-settings", dependencies=writes)
    async def set_archive_settings(body: ArchiveSettings, caller: CurrentCaller) -> ArchiveSettings:
        """Keep stories that expire from now on, or no longer; what is kept already stays."""
        await archive.set_enabled(caller.user_id, truncate_to_ms(now()), enabled=body.enabled)
        return body

    @router.get("/v1/me/archive", dependencies=reads)
    async def list_archived(caller: CurrentCaller, page: Paged) -> Page[ArchivedItemResponse]:
        """The caller's expired stories, newest first; nobody else gets them here."""
        position = cursors.position(ROUTE, caller.user_id, page, tuple[str])
        found = await archive.archive_page(caller.user_id, position[0] if position else None, page.limit + 1)
        shown, cursor = cursors.cut(ROUTE, caller.user_id, page, found, lambda archived: [archived.story.id])
        return Page(items=[archived_item(each, bucket, now) for each in shown], next_cursor=cursor)

    @router.delete("/v1/me/archive/{story_id}", status_code=204, dependencies=writes)
    async def delete_archived(story_id: StoryId, caller: CurrentCaller) -> Response:
        """Erase a story from the archive and from highlights: its media is gone when this answers."""
        await delete(caller.user_id, story_id)
        return Response(status_code=204)

    return router


def archived_item(archived: ArchivedStory, bucket: Bucket, now: Clock, *, own: bool = True) -> ArchivedItemResponse:
    """The response for an archived story. To others than its author, the answers of quizzes are not shown."""
    at = now()

    def sign(key: str) -> str:
        return bucket.archive_url(key, at)

    story, posted = archived.story, archived.story.posted
    assert posted is not None, "only a posted story is archived"
    media = posted.media
    fields = {
        "id": story.id,
        "author_id": story.author_id,
        "audience": story.settings.audience,
        "posted_at": rfc3339(posted.posted_at),
        "expires_at": rfc3339(posted.expires_at),
        "archived_at": rfc3339(archived.archived_at),
        **media_fields(media),
        "media_url": sign(media.key),
        "poster_url": sign(media.poster_key),
        "captions_url": sign(media.captions_key) if media.captions_key else None,
        "renditions": [{"url": sign(each.key), **asdict(each)} for each in (media.renditions or (media.itself,))],
        "urls_expire_at": rfc3339(truncate_to_ms(at) + MAX_URL_TTL),
        "caption": story.overlay.caption,
        "layers": [
            {name: value for name, value in layer.items() if own or name != "correct"} for layer in story.overlay.layers
        ],
        "sound": story.overlay.sound,
        "captions_track": story.overlay.captions_track,
        "alt_text": story.overlay.alt_text,
        "series_id": posted.series_id,
        "part": posted.part,
        "parts": posted.parts,
        "preview": media.preview,
        "reposted_from": story.reposted_from,
    }
    return ArchivedItemResponse.model_validate(fields, from_attributes=True)

"""Highlights: archived stories that their author shows again."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import AfterValidator, BaseModel, Field
from stories_shared.auth.tokens import Caller
from stories_shared.clock import Clock, rfc3339
from stories_shared.http.authentication import CurrentCaller
from stories_shared.http.bodies import Body, StoryId, Text, UserId
from stories_shared.http.deadline import DeadlineRoute
from stories_shared.http.idempotency import Idempotent, run_once
from stories_shared.http.openapi import located
from stories_shared.http.paging import Cursors, Page, Paged
from stories_shared.http.rate_limits import rate_limited
from stories_shared.mongo.idempotency import IdempotencyStore

from stories_ingest.domain.errors import IngestError, NoSuchHighlight
from stories_ingest.domain.highlights import MAX_STORIES, MAX_TITLE
from stories_ingest.domain.story import Requester
from stories_ingest.routes.archive import ArchivedItemResponse, archived_item
from stories_ingest.routes.dependencies import requester_of, require_archive
from stories_ingest.routes.requests import NOT_SENT, deduplicated, sent_fields
from stories_ingest.store.bucket import Bucket
from stories_ingest.usecases.highlights import ReadHighlights, ShownHighlight, WriteHighlights
from stories_ingest.usecases.rollout import Rollout

StoryIds = Annotated[
    list[StoryId],
    Field(min_length=1, max_length=MAX_STORIES, description="archived stories of the caller, in the order to show"),
    AfterValidator(deduplicated),
]
Title = Annotated[str, Text(1, MAX_TITLE), Field(description="1 to 50 characters")]


class HighlightCreate(Body):
    """A highlight to be made of archived stories."""

    title: Title
    story_ids: StoryIds
    cover_story_id: Annotated[StoryId | None, Field(description="one of the stories; null: the first")] = None


class HighlightChanges(Body):
    """What may be changed; what is not sent stays as it is."""

    title: Title = NOT_SENT
    story_ids: StoryIds = NOT_SENT
    cover_story_id: Annotated[StoryId, Field(description="one of the stories")] = NOT_SENT

    def changes(self) -> dict[str, Any]:
        """Only the fields that were sent."""
        return sent_fields(self, HighlightChanges.model_fields)


class HighlightResponse(BaseModel):
    """A highlight, with those of its stories that the caller may see."""

    id: str
    author_id: str
    title: Annotated[str, Field(description="1 to 50 characters")]
    story_ids: Annotated[list[str], Field(description="the stories that the caller may see, in the author's order")]
    cover_story_id: Annotated[str, Field(description="the story on the cover, one of `story_ids`")]
    cover_url: Annotated[str, Field(description="the poster of that story, a presigned URL of 15 minutes")]
    created_at: str


class HighlightItemPage(HighlightResponse):
    """A highlight and a page of its stories, in the author's order."""

    items: list[ArchivedItemResponse]
    next_cursor: str | None


def highlight_routes(
    is_on: bool,
    write: WriteHighlights,
    read: ReadHighlights,
    bucket: Bucket,
    cursors: Cursors,
    claims: IdempotencyStore,
    rollout: Rollout,
    now: Clock,
) -> APIRouter:
    """The routes of highlights."""
    router = APIRouter(route_class=DeadlineRoute, tags=["Archive"])
    enabled = Depends(require_archive(is_on))
    reads, writes = [rate_limited("reads"), enabled], [rate_limited("writes"), enabled]

    def response_fields(shown: ShownHighlight) -> dict[str, Any]:
        highlight = shown.highlight
        urls = {"cover_url": bucket.archive_url(shown.cover_key, now())}
        return {**asdict(highlight), **urls, "created_at": rfc3339(highlight.created_at)}

    def may_view(caller: Caller, author_id: str | None = None) -> bool:
        is_exempt = caller.is_admin or caller.user_id == author_id
        return is_exempt or rollout.eligibility(caller.user_id, caller.country).view

    @router.post(
        "/v1/me/highlights", status_code=201, dependencies=writes, responses=located("the highlight, for everyone")
    )
    async def create_highlight(
        body: HighlightCreate, caller: CurrentCaller, idempotency: Idempotent, response: Response
    ) -> HighlightResponse:
        """Show archived stories of one's own again, under a title."""

        async def make(highlight_id: str) -> str:
            await write.create(highlight_id, caller.user_id, body.title, body.story_ids, body.cover_story_id)
            return highlight_id

        async def replay(highlight_id: str) -> str:
            return highlight_id

        made_id = await run_once(claims, caller.user_id, idempotency, make, replay, refusals=(IngestError,))
        shown = await read.one(Requester(caller.user_id), made_id)
        response.headers["Location"] = f"/v1/highlights/{made_id}"
        return HighlightResponse(**response_fields(shown))

    @router.patch("/v1/me/highlights/{highlight_id}", dependencies=writes)
    async def change_highlight(
        highlight_id: StoryId, body: HighlightChanges, caller: CurrentCaller
    ) -> HighlightResponse:
        """Change title, stories or cover of a highlight."""
        await write.change(caller.user_id, highlight_id, body.changes())
        return HighlightResponse(**response_fields(await read.one(Requester(caller.user_id), highlight_id)))

    @router.delete("/v1/me/highlights/{highlight_id}", status_code=204, dependencies=writes)
    async def delete_highlight(highlight_id: StoryId, caller: CurrentCaller) -> Response:
        """Delete a highlight; its stories stay in the archive."""
        await write.delete(caller.user_id, highlight_id)
        return Response(status_code=204)

    @router.get("/v1/users/{user_id}/highlights", dependencies=reads)
    async def list_highlights(user_id: UserId, caller: CurrentCaller, page: Paged) -> Page[HighlightResponse]:
        """A user's highlights with stories that the caller may see, newest first; none across a block."""
        route = f"users/highlights?{user_id}"
        position = cursors.position(route, caller.user_id, page, tuple[str])
        if not may_view(caller, user_id):
            return Page(items=[])
        before = position[0] if position else None
        shown, last = await read.page(requester_of(caller), user_id, before, page.limit)
        cursor = cursors.encode(route, caller.user_id, [last]) if last else None
        return Page(items=[HighlightResponse(**response_fields(each)) for each in shown], next_cursor=cursor)

    @router.get("/v1/highlights/{highlight_id}", dependencies=reads)
    async def get_highlight(highlight_id: StoryId, caller: CurrentCaller, page: Paged) -> HighlightItemPage:
        """A highlight and its stories, as far as the caller may see them; 404 across a block."""
        route = f"highlights?{highlight_id}"
        position = cursors.position(route, caller.user_id, page, tuple[int])
        start = position[0] if position else 0
        shown = await read.one(requester_of(caller), highlight_id)
        highlight = shown.highlight
        if not may_view(caller, highlight.author_id):
            raise NoSuchHighlight(highlight_id)
        stories = await read.items(highlight, start, page.limit)
        end = start + page.limit
        cursor = cursors.encode(route, caller.user_id, [end]) if end < len(highlight.story_ids) else None
        own = caller.user_id == highlight.author_id
        items = [archived_item(each, bucket, now, own=own) for each in stories]
        return HighlightItemPage(**response_fields(shown), items=items, next_cursor=cursor)

    return router

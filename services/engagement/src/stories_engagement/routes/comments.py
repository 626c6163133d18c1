"""Comments and replies."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response
from stories_shared.clock import rfc3339
from stories_shared.http.authentication import CurrentCaller
from stories_shared.http.bodies import STORY_ID, Body, StoryId, Text
from stories_shared.http.deadline import DeadlineRoute
from stories_shared.http.idempotency import Idempotent, run_once
from stories_shared.http.openapi import refusals
from stories_shared.http.paging import Cursors, Page, Paged
from stories_shared.http.rate_limits import rate_limited
from stories_shared.mongo.idempotency import IdempotencyStore

from stories_engagement.domain.comments import Comment
from stories_engagement.domain.errors import EngagementError
from stories_engagement.routes.dependencies import StoryTicket
from stories_engagement.usecases.access import CheckAccess
from stories_engagement.usecases.comments import DeleteComment, ReadComments, WriteComment

MAX_CHARACTERS = 500
"""Of a comment, in code points (docs/http.md)."""


class CommentCreate(Body):
    """A comment, or a reply to one."""

    text: Annotated[str, Text(1, MAX_CHARACTERS)]
    reply_to: Annotated[StoryId | None, Field(description="the comment to reply to; null for a top comment")] = None


class CommentPermissions(BaseModel):
    """What the reader may do with a comment."""

    delete: Annotated[bool, Field(description="whether the caller may delete the comment")]


class CommentResponse(BaseModel):
    """A comment as its reader gets it. `reply_to` is always a top one; `replies` counts those that are not hidden."""

    id: str
    story_id: str
    author_id: str
    text: str
    reply_to: Annotated[str | None, Field(description="the top comment that this replies to; null for a top one")]
    replies: Annotated[int, Field(description="replies that are not hidden")]
    created_at: str
    can: CommentPermissions


def comment_response(comment: Comment, *, may_delete: bool) -> CommentResponse:
    """The response for a comment."""
    return CommentResponse(
        id=comment.id,
        story_id=comment.story_id,
        author_id=comment.writer_id,
        text=comment.text,
        reply_to=comment.reply_to,
        replies=comment.replies,
        created_at=rfc3339(comment.created_at),
        can=CommentPermissions(delete=may_delete),
    )


def comment_routes(
    check_access: CheckAccess,
    write: WriteComment,
    read: ReadComments,
    delete: DeleteComment,
    claims: IdempotencyStore,
    cursors: Cursors,
) -> APIRouter:
    """Writing, reading and deleting comments."""
    router = APIRouter(route_class=DeadlineRoute, tags=["Engagement"])

    @router.post(
        "/v1/stories/{story_id}/comments",
        status_code=201,
        dependencies=[rate_limited("comments")],
        responses=refusals("comments-friends-only", "comments-off"),
    )
    async def create_comment(
        story_id: StoryId,
        body: CommentCreate,
        caller: CurrentCaller,
        idempotency: Idempotent,
        ticket: StoryTicket = None,
    ) -> CommentResponse:
        """Comment on a story. A reply to a reply hangs on the top one."""
        access = await check_access(caller.user_id, story_id, ticket)

        async def make(comment_id: str) -> Comment:
            return await write(access, comment_id, body.text, body.reply_to)

        comment = await run_once(
            claims,
            caller.user_id,
            idempotency,
            make,
            write.written,
            refusals=(EngagementError,),
            under=f"{story_id}/",  # so that the story's erasure finds the claim
        )
        return comment_response(comment, may_delete=True)

    @router.get("/v1/stories/{story_id}/comments", dependencies=[rate_limited("reads")])
    async def list_comments(
        story_id: StoryId,
        caller: CurrentCaller,
        page: Paged,
        reply_to: Annotated[str | None, Query(pattern=STORY_ID, description="the replies to this one instead")] = None,
        hidden: Annotated[bool, Query(description="the author: those with a hidden word too")] = False,
        ticket: StoryTicket = None,
    ) -> Page[CommentResponse]:
        """Top comments, newest first, or the replies to one, oldest first."""
        access = await check_access(caller.user_id, story_id, ticket)
        name = f"comments {story_id} {reply_to} {hidden}"
        after = cursors.position(name, caller.user_id, page, tuple[datetime, str])
        found, next_position = await read(access, reply_to, after, page.limit, wants_hidden=hidden)
        may_delete_any = access.is_author or caller.is_admin
        return Page(
            items=[
                comment_response(comment, may_delete=may_delete_any or comment.writer_id == caller.user_id)
                for comment in found
            ],
            next_cursor=cursors.encode(name, caller.user_id, next_position) if next_position else None,
        )

    @router.delete("/v1/comments/{comment_id}", status_code=204, dependencies=[rate_limited("writes")])
    async def delete_comment(comment_id: StoryId, caller: CurrentCaller) -> Response:
        """Delete a comment and its replies: its writer, the story's author and admins."""
        await delete(caller.user_id, comment_id, is_admin=caller.is_admin)
        return Response(status_code=204)

    return router

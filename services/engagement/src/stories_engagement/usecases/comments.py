"""Comments: write, read as far as the reader may see them, delete with their replies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from stories_shared.clock import Clock, truncate_to_ms

from stories_engagement.domain.access_state import AccessState
from stories_engagement.domain.comments import Comment, Reader
from stories_engagement.domain.errors import AccessDenied, FeatureDisabled, FriendsOnly, NotFound
from stories_engagement.domain.hidden_words import contains_hidden_word
from stories_engagement.usecases.access import StoryAccess
from stories_engagement.usecases.blocks import FindBlocked
from stories_engagement.usecases.hidden_words import HiddenWordsRepository
from stories_engagement.usecases.paging import Position

MAX_PAGE_READS = 10
"""Reads of the store for one page. A page among very many hidden comments may be short."""


class CommentRepository(Protocol):
    """Stores comments and counts those that are not hidden."""

    async def add(self, comment: Comment, author_id: str, visible: Callable[[Comment], bool]) -> Comment:
        """Store a comment, hidden by the author's words. Raises `NotFound` where its parent is not `visible`."""

    async def get(self, comment_id: str) -> Comment | None: ...

    async def author_of(self, story_id: str) -> str | None: ...

    async def remove(self, comment: Comment) -> bool: ...

    async def page(self, story_id: str, reply_to: str | None, after: Position | None, limit: int) -> list[Comment]: ...


async def reader_of(
    access: StoryAccess, blocks: FindBlocked, comments: Sequence[Comment], *, wants_hidden: bool = False
) -> Reader:
    """The reader of these comments."""
    blocked = await blocks.among(access.user_id, {comment.writer_id for comment in comments} - {access.user_id})
    return Reader(access.user_id, access.is_author, wants_hidden, blocked)


@dataclass(frozen=True, slots=True)
class WriteComment:
    """Comment on a story, or reply to a comment. A reply to a reply belongs to the top-level comment."""

    comments: CommentRepository
    blocks: FindBlocked
    now: Clock

    async def __call__(self, access: StoryAccess, comment_id: str, text: str, reply_to: str | None) -> Comment:
        """The stored comment.

        Raises `FeatureDisabled` or `FriendsOnly` where the author does not allow it, and `NotFound` where the story has
        ended or the parent does not exist.
        """
        if access.comments == "nobody":
            raise FeatureDisabled("comments")
        if access.comments == "friends" and not (access.friend or access.is_author):
            raise FriendsOnly
        comment = Comment(
            id=comment_id,
            story_id=access.story_id,
            writer_id=access.user_id,
            text=text,
            created_at=truncate_to_ms(self.now()),
            reply_to=reply_to,
        )
        replied_to = await self.comments.get(reply_to) if reply_to is not None else None
        reader = await reader_of(access, self.blocks, [replied_to] if replied_to else [], wants_hidden=True)
        return await self.comments.add(comment, access.author_id, reader.may_see)

    async def written(self, comment_id: str) -> Comment:
        """The comment that was written under an id. Raises `NotFound` where it no longer exists."""
        comment = await self.comments.get(comment_id)
        if comment is None:
            raise NotFound
        return comment


@dataclass(frozen=True, slots=True)
class ReadComments:
    """Read a page of comments, as far as the reader may see them.

    While new hidden words are not applied to every comment yet, they are applied to each comment read here, so that a
    reader never sees what the author has hidden. Counts follow in the background.
    """

    comments: CommentRepository
    words: HiddenWordsRepository
    blocks: FindBlocked

    async def __call__(
        self, access: StoryAccess, reply_to: str | None, after: Position | None, limit: int, *, wants_hidden: bool
    ) -> tuple[list[Comment], Position | None]:
        """Top-level comments newest first, or replies oldest first; and the next page's position, if there is one.

        Raises `NotFound` where the parent does not exist for this reader.
        """
        words, top = await self.words.unapplied(access.author_id), None
        if reply_to is not None:
            top = await self.comments.get(reply_to)
            if top is None or top.story_id != access.story_id:
                raise NotFound
            if not (await reader_of(access, self.blocks, [top], wants_hidden=True)).may_see(top):
                raise NotFound
        found: list[Comment] = []
        for _ in range(MAX_PAGE_READS):
            batch = await self.comments.page(access.story_id, reply_to, after, limit + 1)
            reader = await reader_of(access, self.blocks, batch, wants_hidden=wants_hidden)
            for kept in batch:
                comment = kept if words is None else with_words_applied(kept, top, words)
                if reader.may_see(comment):
                    if len(found) == limit:
                        return found, after
                    found.append(comment)
                after = comment.created_at, comment.id
            if len(batch) <= limit:
                return found, None
        return found, after


def with_words_applied(comment: Comment, top: Comment | None, words: Sequence[str]) -> Comment:
    """The comment with `hidden` computed by these words."""
    return replace(
        comment,
        hidden=contains_hidden_word(words, comment.text) or (top is not None and contains_hidden_word(words, top.text)),
    )


@dataclass(frozen=True, slots=True)
class DeleteComment:
    """Delete a comment with its replies. Its writer, the story's author and admins may, without a ticket."""

    comments: CommentRepository
    access_state: AccessState
    now: Clock

    async def __call__(self, user_id: str, comment_id: str, *, is_admin: bool) -> None:
        """Raises `NotFound` where it does not exist, `AccessDenied` for other callers."""
        comment = await self.comments.get(comment_id)
        if comment is None or self.access_state.has_ended(comment.story_id, self.now()):
            raise NotFound
        if not is_admin and user_id != comment.writer_id and user_id != await self._author_of(comment.story_id):
            raise AccessDenied("comment")
        if not await self.comments.remove(comment):
            raise NotFound

    async def _author_of(self, story_id: str) -> str | None:
        known = self.access_state.story(story_id, self.now())
        return known.author_id if known is not None else await self.comments.author_of(story_id)

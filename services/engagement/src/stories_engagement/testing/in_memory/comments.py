"""Comments."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from stories_engagement.domain.comments import Comment
from stories_engagement.domain.errors import NotFound
from stories_engagement.domain.hidden_words import contains_hidden_word
from stories_engagement.testing.in_memory.database import FAR, MemoryDatabase
from stories_engagement.usecases.hidden_words import Rehiding
from stories_engagement.usecases.paging import Position


@dataclass
class MemoryComments:
    """Stores comments and hidden words."""

    database: MemoryDatabase

    async def add(self, comment: Comment, author_id: str, visible: Callable[[Comment], bool]) -> Comment:
        self.database.live(comment.story_id, author_id)
        if comment.id in self.database.comments:
            return self.database.comments[comment.id]
        top = None
        if comment.reply_to is not None:
            found = self.database.comments.get(comment.reply_to)
            if found is None or found.story_id != comment.story_id or not visible(found):
                raise NotFound
            top = self.database.comments[found.reply_to] if found.reply_to else found
        hidden = contains_hidden_word(await self.words(author_id), comment.text) or bool(top and top.hidden)
        kept = replace(comment, reply_to=top.id if top else None, hidden=hidden)
        self.database.comments[kept.id] = kept
        self._recount(kept.reply_to)
        return kept

    async def get(self, comment_id: str) -> Comment | None:
        return self.database.comments.get(comment_id)

    async def author_of(self, story_id: str) -> str | None:
        return self.database.authors.get(story_id)

    async def remove(self, comment: Comment) -> bool:
        if comment.story_id in self.database.ended or self.database.comments.pop(comment.id, None) is None:
            return False
        for reply in [reply for reply in self.database.comments.values() if reply.reply_to == comment.id]:
            del self.database.comments[reply.id]
        self._recount(comment.reply_to)
        return True

    async def page(self, story_id: str, reply_to: str | None, after: Position | None, limit: int) -> list[Comment]:
        found = [c for c in self.database.comments.values() if c.story_id == story_id and c.reply_to == reply_to]
        newest_first = reply_to is None
        found.sort(key=lambda c: (c.created_at, c.id), reverse=newest_first)
        if after is not None:
            at = [(c.created_at, c.id) for c in found]
            found = [c for c, p in zip(found, at, strict=True) if p != after and (p < after) == newest_first]
        return found[:limit]

    async def words(self, author_id: str) -> tuple[str, ...]:
        return self.database.words.get(author_id, ((), FAR))[0]

    async def set_words(self, author_id: str, words: Sequence[str], at: datetime) -> None:
        self.database.words[author_id] = (tuple(words), at)
        self.database.rehide[author_id] = at

    async def unapplied(self, author_id: str) -> tuple[str, ...] | None:
        return await self.words(author_id) if author_id in self.database.rehide else None

    async def claim(self, now: datetime, until: datetime) -> Rehiding | None:
        waiting = sorted((at, author_id) for author_id, at in self.database.rehide.items() if at <= now)
        if not waiting:
            return None
        _, author_id = waiting[0]
        self.database.rehide[author_id] = until
        words, at = self.database.words[author_id]
        return Rehiding(author_id, str(at), words)

    async def apply_some(self, work: Rehiding, until: datetime) -> Rehiding | None:
        self.database.rehide[work.author_id] = until
        mine = {
            story_id for story_id, live_story in self.database.stories.items() if live_story.author_id == work.author_id
        }
        tops_first = sorted(self.database.comments.values(), key=lambda c: c.reply_to is not None)
        for comment in (c for c in tops_first if c.story_id in mine):
            top = self.database.comments[comment.reply_to] if comment.reply_to else None
            hidden = contains_hidden_word(work.words, comment.text) or bool(top and top.hidden)
            self.database.comments[comment.id] = replace(self.database.comments[comment.id], hidden=hidden)
            self._recount(comment.reply_to)
        self.database.rehide.pop(work.author_id, None)
        return None

    async def give_back(self, work: Rehiding, now: datetime) -> None:
        self.database.rehide[work.author_id] = now

    def _recount(self, top_id: str | None) -> None:
        if top_id in self.database.comments:
            replies = sum(c.reply_to == top_id and not c.hidden for c in self.database.comments.values())
            self.database.comments[top_id] = replace(self.database.comments[top_id], replies=replies)

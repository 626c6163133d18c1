"""Highlights of archived stories: made by their author, shown to whom the stories were open."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from stories_shared.clock import Clock, truncate_to_ms

from stories_ingest.domain.archive import ArchivedStory
from stories_ingest.domain.errors import NoSuchHighlight, NotInHighlight
from stories_ingest.domain.highlights import Highlight, changed, cover_of
from stories_ingest.domain.story import Requester
from stories_ingest.usecases.access_edges import FindHidden


class HighlightRepository(Protocol):
    """Highlights."""

    async def find(self, highlight_id: str) -> Highlight | None:
        """The highlight."""

    async def page(self, author_id: str, before: str | None, limit: int) -> list[Highlight]:
        """An author's highlights, newest first, older than the id `before`."""

    async def put(self, highlight: Highlight) -> None:
        """Store a highlight, in one transaction with a check that its author's archive has its stories.

        Raises NotArchived with the first story that it does not have.
        """

    async def delete(self, author_id: str, highlight_id: str) -> bool:
        """Delete an author's highlight; False if there is none."""

    async def posters(self, story_ids: Collection[str], viewer_id: str | None) -> Mapping[str, str]:
        """Keys of the posters of those archived stories that the viewer may see; None may see all."""

    async def archived(self, story_ids: Collection[str]) -> Mapping[str, ArchivedStory]:
        """These archived stories."""


@dataclass(frozen=True, slots=True)
class ShownHighlight:
    """A highlight with the stories that the viewer may see, and the key of its cover."""

    highlight: Highlight
    cover_key: str


@dataclass(frozen=True, slots=True)
class WriteHighlights:
    """Creates, changes and deletes highlights of their author."""

    highlights: HighlightRepository
    now: Clock

    async def create(
        self, highlight_id: str, author_id: str, title: str, story_ids: Sequence[str], cover: str | None
    ) -> None:
        """Raises NotArchived, and NotInHighlight for a cover that is not one of the stories."""
        _require_cover(cover, story_ids)
        highlight = Highlight(
            id=highlight_id,
            author_id=author_id,
            title=title,
            story_ids=tuple(story_ids),
            cover_story_id=cover_of(story_ids, cover),
            created_at=truncate_to_ms(self.now()),
        )
        await self.highlights.put(highlight)

    async def change(self, author_id: str, highlight_id: str, changes: dict[str, Any]) -> None:
        """Raises NoSuchHighlight, NotArchived, NotInHighlight."""
        highlight = await self.highlights.find(highlight_id)
        if highlight is None or highlight.author_id != author_id:
            raise NoSuchHighlight(highlight_id)
        _require_cover(changes.get("cover_story_id"), changes.get("story_ids", highlight.story_ids))
        await self.highlights.put(changed(highlight, changes))

    async def delete(self, author_id: str, highlight_id: str) -> None:
        """Raises NoSuchHighlight."""
        if not await self.highlights.delete(author_id, highlight_id):
            raise NoSuchHighlight(highlight_id)


def _require_cover(cover: str | None, story_ids: Sequence[str]) -> None:
    if cover is not None and cover not in story_ids:
        raise NotInHighlight(cover)


@dataclass(frozen=True, slots=True)
class ReadHighlights:
    """Reads highlights as one viewer may see them: without blocks, and without stories that were not for everyone."""

    highlights: HighlightRepository
    find_hidden: FindHidden

    async def page(
        self, requester: Requester, author_id: str, before: str | None, limit: int
    ) -> tuple[list[ShownHighlight], str | None]:
        """Highlights of an author, newest first, and the id after which the next page begins."""
        if await self._is_hidden(requester, author_id):
            return [], None
        found = await self.highlights.page(author_id, before, limit + 1)
        page = found[:limit]
        return await self._shown(requester, page), page[-1].id if len(found) > limit else None

    async def one(self, requester: Requester, highlight_id: str) -> ShownHighlight:
        """Raises NoSuchHighlight, which also stands for one that the requester may not see."""
        highlight = await self.highlights.find(highlight_id)
        if highlight is None or await self._is_hidden(requester, highlight.author_id):
            raise NoSuchHighlight(highlight_id)
        shown = await self._shown(requester, [highlight])
        if not shown:
            raise NoSuchHighlight(highlight_id)
        return shown[0]

    async def items(self, highlight: Highlight, start: int, limit: int) -> list[ArchivedStory]:
        """The stories of a shown highlight from a position on, in order."""
        story_ids = highlight.story_ids[start : start + limit]
        found = await self.highlights.archived(story_ids)
        return [found[story_id] for story_id in story_ids if story_id in found]

    async def _shown(self, requester: Requester, highlights: Sequence[Highlight]) -> list[ShownHighlight]:
        story_ids = {story_id for each in highlights for story_id in each.story_ids}
        posters = await self.highlights.posters(story_ids, None if requester.is_admin else requester.user_id)
        visible = [left for each in highlights if (left := each.of(posters.keys()))]
        return [ShownHighlight(each, posters[each.cover_story_id]) for each in visible]

    async def _is_hidden(self, requester: Requester, author_id: str) -> bool:
        if requester.may_see(author_id):
            return False
        return await self.find_hidden.is_hidden(author_id, requester.user_id)

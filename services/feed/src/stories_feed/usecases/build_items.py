"""Builds items: a story's content for one viewer, with short-lived URLs and a ticket."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import msgspec
from stories_shared.auth.tickets import Ticket, Tickets, encoded
from stories_shared.clock import epoch_ms, rfc3339
from stories_shared.events import Audience

from stories_feed.domain.live import LiveStory
from stories_feed.domain.ttl import MIN_REMAINING, TtlPolicy
from stories_feed.domain.visibility import Relation, may_comment, may_see
from stories_feed.usecases.contents import StoredStory, StoryContent
from stories_feed.usecases.items import SEEN, TICKET, TICKET_END, Permissions, ReadyItem, ReelItem, Rendition
from stories_feed.usecases.ports import Media, SignedUrl, StoryRepository
from stories_feed.usecases.visible_stories import VisibleStories


class TicketEnd(msgspec.Struct, frozen=True):
    """When a ticket ends, also as tickets and items have it; most tickets of a page end at the same time."""

    at: datetime
    signed: bytes
    shown: bytes

    @classmethod
    def of(cls, at: datetime) -> "TicketEnd":
        """The end in all of its forms."""
        return cls(at, encoded(epoch_ms(at)), rfc3339(at).encode())


class ItemWithAccess(msgspec.Struct, frozen=True):
    """An item as JSON, and what pages need to know of it."""

    body: bytes
    story: StoryContent
    seen: bool
    may_comment: bool


@dataclass(frozen=True, slots=True)
class BuildItems:
    """Build the items of stories that the viewer may see according to the index."""

    visible_stories: VisibleStories
    stories: StoryRepository
    media: Media
    tickets: Tickets
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
        """Items for stories that the viewer may see according to the index, in their order. Admins may see any.

        A story is left out while its document is missing or older than the index, and if its newer document forbids
        the viewer to see it.

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
            ready = stored.ready[comment] = self._ready(story, comment, now)
        end = ends.get(story.audience)
        if end is None:
            end = ends[story.audience] = TicketEnd.of(now + self.ttl_policy.ticket_ttl(story.audience))
        if story.expires_at < end.at:
            end = TicketEnd.of(story.expires_at)
        ticket = ready.sign_for(viewer, end.signed, relation.follows, relation.friend)
        return ItemWithAccess(ready.body(seen, ticket, end.shown), story, seen, comment)

    def _ready(self, story: StoryContent, comment: bool, now: datetime) -> ReadyItem:
        ttl = self.ttl_policy.url_ttl(story.audience)
        urls: list[SignedUrl] = []

        def url(key: str, download_as: str | None = None) -> str:
            urls.append(self.media.url(key, ttl, story.expires_at, now, download_as))
            return urls[-1].url

        download_as = f"story-{story.story_id}.{extension(story.media.key)}"
        item = ReelItem(
            id=story.story_id,
            author_id=story.author_id,
            kind=story.kind,
            audience=story.audience,
            posted_at=rfc3339(story.posted_at),
            expires_at=rfc3339(story.expires_at),
            duration_ms=story.media.duration_ms,
            width=story.media.width,
            height=story.media.height,
            content_type=story.media.content_type,
            size=story.media.size,
            has_audio=story.media.has_audio,
            codecs=story.media.codecs,
            media_url=url(story.media.key),
            poster_url=url(story.media.poster_key),
            download_url=url(story.media.key, download_as) if story.download else None,
            renditions=tuple(
                Rendition(
                    url=url(rendition.key),
                    content_type=rendition.content_type,
                    width=rendition.width,
                    height=rendition.height,
                    size=rendition.size,
                    codecs=rendition.codecs,
                )
                for rendition in story.renditions
            ),
            captions_url=url(story.media.captions_key) if story.media.captions_key is not None else None,
            urls_expire_at=rfc3339(min(each.ends_at for each in urls)),  # of all URLs above
            caption=story.caption,
            layers=story.layers,
            sound=story.sound,
            captions_track=story.captions_track,
            alt_text=story.alt_text,
            seen=cast("bool", SEEN),
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
            preview=story.preview,
            reposted_from=story.reposted_from,
        )
        until = min(each.used_until for each in urls)
        return ReadyItem.of(item, until, self.tickets.of_story(ticket_of(story)))


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


def extension(key: str) -> str:
    """The file name extension of an object's key, or ``bin``."""
    name = key.rsplit("/", 1)[-1]
    return name.rsplit(".", 1)[1] if "." in name else "bin"

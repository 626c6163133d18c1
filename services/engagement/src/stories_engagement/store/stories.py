"""Stories while they live, the marks of those that ended, and the erasure of what belonged to them."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from stories_shared.clock import Clock, whole_ms
from stories_shared.events import StoryPosted
from stories_shared.mongo import Document, Mongo, Session

from stories_engagement.domain.standing import Edge, Known
from stories_engagement.store.shapes import (
    BLOCKS,
    CLAIMS,
    COMMENTS,
    ENDED,
    ENGAGEMENTS,
    ERASED_USERS,
    REACTIONS,
    SHARES,
    STORIES,
    VIEWERS,
    VIEWS,
    row_id,
    settled,
)
from stories_engagement.usecases.stories import known_of


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What stands: everything that a replica needs in memory to judge tickets."""

    stories: Iterable[tuple[str, Known]]
    ended: Iterable[tuple[str, datetime]]
    erased: Iterable[tuple[str, datetime]]
    blocks: Iterable[tuple[str, str, Edge]]


class MongoStories:
    """Keeps stories. An ended mark guards every later write."""

    def __init__(self, mongo: Mongo, now: Clock) -> None:
        self._mongo = mongo
        self._now = now

    async def put(self, story: StoryPosted) -> None:
        """Keep a story, unless it has ended or as new a revision is kept."""
        story_id, known = story.story_id, known_of(story)
        fields = asdict(known) | {name: getattr(story, name) for name in ("posted_at", "series_id", "part", "parts")}
        newer = {"_id": story_id, "revision": {"$lt": known.revision}}
        updated = await self._mongo[STORIES].update_one(newer, {"$set": fields})
        if updated.matched_count or await self._mongo[STORIES].find_one({"_id": story_id}, {"_id": 1}):
            return

        async def verb(session: Session) -> None:
            fence = await self._mongo[VIEWS].find_one({"_id": story_id}, session=session)
            held = await self._mongo[STORIES].find_one({"_id": story_id}, {"revision": 1}, session=session)
            if (fence and fence["ended"]) or (held and held["revision"] >= known.revision):
                return
            await self._mongo[STORIES].replace_one({"_id": story_id}, fields, upsert=True, session=session)
            heard = {"author_id": known.author_id, "expires_at": known.expires_at}
            if fence is None:
                new = {"_id": story_id, "viewers": 0, "plays": 0, "ended": None, "since": whole_ms(self._now())}
                await self._mongo[VIEWS].insert_one(new | heard, session=session)
            else:
                own = await self._forget_own(story_id, known.author_id, session)
                change = {"$set": heard, "$inc": {"viewers": -(own > 0), "plays": -own}}
                await self._mongo[VIEWS].update_one({"_id": story_id, "ended": None}, change, session=session)

        await settled(self._mongo, verb)

    async def end(self, story_id: str, how: str, at: datetime) -> None:
        """Mark a story as ended, once and for all. Its counts and times stay for as long as the mark."""
        now = whole_ms(self._now())

        async def verb(session: Session) -> None:
            mark = {"$setOnInsert": {"at": at, "how": how, "heard_at": now}}
            await self._mongo[ENDED].update_one({"_id": story_id}, mark, upsert=True, session=session)
            for name, nothing in ((VIEWS, NO_VIEWS), (ENGAGEMENTS, NO_ENGAGEMENTS)):
                fence = await self._mongo[name].find_one({"_id": story_id}, {"ended": 1}, session=session)
                if fence is None:
                    await self._mongo[name].insert_one({"_id": story_id, **nothing, "ended": now}, session=session)
                elif fence["ended"] is None:
                    over = {"$set": {"ended": now}, "$unset": {"unsaid": "", "emoji": ""}}
                    await self._mongo[name].update_one({"_id": story_id}, over, session=session)
            await self._mongo[STORIES].delete_one({"_id": story_id}, session=session)

        await settled(self._mongo, verb)

    async def erase(self, story_id: str) -> None:
        """Delete all rows of a story. The fences let none be added after its end, so once is enough."""
        for name in (VIEWERS, REACTIONS, COMMENTS, SHARES):
            await self._mongo[name].delete_many({"story_id": story_id})
        made = {"$gte": f"{story_id}/", "$lt": f"{story_id}0"}
        await self._mongo[CLAIMS].delete_many({"resource_id": made})

    async def unheard(self, before: datetime, limit: int) -> list[str]:
        """Stories that were viewed for the first time before then, and never heard of."""
        wanted = {"expires_at": None, "ended": None, "since": {"$lt": before}}
        return [fence["_id"] for fence in await self._mongo[VIEWS].find(wanted, {"_id": 1}, limit=limit).to_list(None)]

    async def snapshot(self, remember_ended: timedelta) -> Snapshot:
        """Live stories, endings of late, and every word about blocks."""
        since = {"heard_at": {"$gte": self._now() - remember_ended}}
        return Snapshot(
            stories=[(s["_id"], known_from(s)) for s in await self._mongo[STORIES].find({}).to_list(None)],
            ended=[(e["_id"], e["heard_at"]) for e in await self._mongo[ENDED].find(since).to_list(None)],
            erased=[(e["_id"], e["at"]) for e in await self._mongo[ERASED_USERS].find({}).to_list(None)],
            blocks=[
                (b["user_id"], b["target_id"], Edge(b["on"], b["at"]))
                for b in await self._mongo[BLOCKS].find({}).to_list(None)
            ],
        )

    async def _forget_own(self, story_id: str, author_id: str, session: Session) -> int:
        """Take away the author's own views that came before anybody here knew whose story it is; how many plays."""
        own = await self._mongo[VIEWERS].find_one_and_delete({"_id": row_id(story_id, author_id)}, session=session)
        return int(own["count"]) if own else 0


NO_VIEWS: Document = {"author_id": None, "expires_at": None, "viewers": 0, "plays": 0}
NO_ENGAGEMENTS: Document = {"author_id": None, "seq": 0, "reaction": 0, "comment": 0, "share": 0}


def known_from(document: Document) -> Known:
    """A story as it was kept."""
    return Known(
        author_id=document["author_id"],
        expires_at=document["expires_at"],
        revision=document["revision"],
        access_revision=document["access_revision"],
        comments=document["comments"],
        reactions=document["reactions"],
        sharing=document["sharing"],
        view_list=document["view_list"],
    )

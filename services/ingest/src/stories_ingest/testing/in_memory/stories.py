"""In-memory repositories with the same contract as the MongoDB ones."""

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime

from stories_shared.errors import InvalidMessage
from stories_shared.testing.erased_users import MemoryErasedUsers

from stories_ingest.domain.errors import NoSuchStory
from stories_ingest.domain.keys import story_of
from stories_ingest.domain.quota import Quota
from stories_ingest.domain.story import Ended, EndReason, State, Story
from stories_ingest.domain.transitions import StoryChange, StorySnapshot, Transition
from stories_ingest.testing.in_memory.archive import MemoryArchive


@dataclass(slots=True)
class MemoryStories:
    """All repositories of ingest; `pending` are the ids with pending events."""

    stories: dict[str, Story] = field(default_factory=dict)
    endings: dict[str, Ended] = field(default_factory=dict)
    quotas: dict[str, Quota] = field(default_factory=dict)
    pending: set[str] = field(default_factory=set)
    rechecks: dict[str, datetime] = field(default_factory=dict)
    erased_users: MemoryErasedUsers = field(default_factory=MemoryErasedUsers)
    archive: MemoryArchive = field(default_factory=MemoryArchive)

    def __post_init__(self) -> None:
        self.archive.live = self.stories

    def add(self, *stories: Story) -> None:
        """Insert stories in any state."""
        self.stories |= {story.id: story for story in stories}

    async def find(self, story_id: str) -> Story | None:
        return self.stories.get(story_id)

    async def state(self, story_id: str) -> State | None:
        story = self.stories.get(story_id)
        return story.state if story else None

    async def revision(self, story_id: str) -> int | None:
        story = self.stories.get(story_id)
        return story.posted.revision if story and story.posted else None

    async def ended(self, story_id: str) -> Ended | None:
        return self.endings.get(story_id)

    async def parts(self, series_id: str) -> list[Story]:
        """The live parts of a series, in order."""
        parts = [story for story in self.stories.values() if story.posted and story.posted.series_id == series_id]
        return sorted(parts, key=lambda story: story.posted.part if story.posted else 0)

    async def part_ids(self, series_ids: Collection[str]) -> dict[str, list[str]]:
        found = {series_id: [part.id for part in await self.parts(series_id)] for series_id in series_ids}
        return {series_id: ids for series_id, ids in found.items() if ids}

    async def ended_parts(self, series_id: str) -> list[Ended]:
        return [ended for ended in self.endings.values() if ended.series_id == series_id]

    async def delete_expired(self, deleted: Ended) -> None:
        found = self.endings.get(deleted.id)
        if found is not None and found.how is EndReason.EXPIRED:
            self.endings[deleted.id] = replace(
                found, how=deleted.how, by=deleted.by, event_id=deleted.event_id, at=deleted.at
            )
            self.pending.add(deleted.id)

    async def page(
        self, author_id: str, state: State | None, before: str | None, now: datetime, limit: int
    ) -> list[Story]:
        found = [
            story
            for story in self.stories.values()
            if story.author_id == author_id
            and not story.is_over(now)
            and (state is None or story.shown_state is state)
            and (before is None or story.id < before)
        ]
        return sorted(found, key=lambda story: story.id, reverse=True)[:limit]

    async def quota(self, author_id: str) -> Quota:
        return self.quotas.get(author_id, Quota())

    async def create(self, draft: Story, admit: Callable[[Quota], Quota]) -> None:
        if draft.id in self.endings:
            raise NoSuchStory(draft.id)
        original = draft.reposted_from.story_id if draft.reposted_from else None
        if original is not None and original not in self.stories:
            raise NoSuchStory(original)
        if draft.id not in self.stories:
            self.quotas[draft.author_id] = admit(await self.quota(draft.author_id))
            self.stories[draft.id] = draft

    async def transact(self, story_id: str, transition: Transition) -> StoryChange:
        story = self.stories.get(story_id)
        if story is None:
            raise NoSuchStory(story_id)
        series_id = story.posted.series_id if story.posted else None
        parts = tuple(await self.parts(series_id)) if series_id else (story,)
        changes = transition(StorySnapshot(story, parts, await self.quota(story.author_id)))
        self.quotas[story.author_id] = changes.quota
        for saved in changes.upserts:
            self.stories[saved.id] = deepcopy(saved)
            if changes.publish and saved.posted is not None:
                self.pending.add(saved.id)
        for kept in changes.archived:
            self.archive.add(kept, kept.posted.expires_at if kept.posted else kept.created_at)
        for ended in changes.ended:
            self.stories.pop(ended.id, None)
            self.endings[ended.id] = ended
            self.pending.discard(ended.id)
            if changes.publish and ended.how is EndReason.DELETED:
                self.pending.add(ended.id)
        return changes

    async def transact_all(self, transitions: Mapping[str, Transition]) -> dict[str, StoryChange]:
        before = dict(self.stories), dict(self.endings), dict(self.quotas), set(self.pending)
        try:
            return {
                story_id: await self.transact(story_id, transition)
                for story_id, transition in transitions.items()
                if story_id in self.stories
            }
        except InvalidMessage:
            self.stories.clear()  # the archive looks at the same object
            self.stories |= before[0]
            _, self.endings, self.quotas, self.pending = before
            raise

    async def claim(self, worker: str, now: datetime, until: datetime) -> Story | None:
        queued = [story for story in self.stories.values() if story.state is State.PROCESSING]
        waiting = [story for story in queued if story.job and story.job.lease_until <= now]
        if not waiting:
            return None
        story = min(waiting, key=lambda story: story.job.since if story.job else now)
        assert story.job is not None
        job = replace(story.job, worker=worker, lease_until=until, attempts=story.job.attempts + 1)
        self.stories[story.id] = replace(story, job=job)
        return self.stories[story.id]

    async def renew(self, story_id: str, worker: str, until: datetime, progress: float, parts: Sequence[str]) -> bool:
        story = self.stories.get(story_id)
        if story is None or story.job is None or story.job.worker != worker:
            return False
        job = replace(story.job, lease_until=until, progress=progress, parts=tuple(parts))
        self.stories[story_id] = replace(story, job=job)
        return True

    async def release(self, story_id: str, worker: str, until: datetime, *, counted: bool) -> None:
        story = self.stories.get(story_id)
        if story is not None and story.job is not None and story.job.worker == worker:
            attempts = story.job.attempts - (0 if counted else 1)
            job = replace(story.job, worker=None, lease_until=until, progress=0.0, attempts=attempts)
            self.stories[story_id] = replace(story, job=job)

    async def waiting(self, now: datetime) -> int:
        return sum(story.job is not None and story.job.lease_until <= now for story in self.stories.values())

    async def reposts(self, story_ids: Collection[str], limit: int) -> list[str]:
        copies = [(story.id, story.reposted_from) for story in self.stories.values()]
        return [copy_id for copy_id, source in copies if source and source.story_id in story_ids][:limit]

    async def due_scheduled(self, now: datetime, limit: int) -> list[str]:
        scheduled = [story for story in self.stories.values() if story.state is State.SCHEDULED]
        return [story.id for story in scheduled if story.publish_at and story.publish_at <= now][:limit]

    async def discardable(self, now: datetime, limit: int) -> list[str]:
        over = [story.id for story in self.stories.values() if story.vanishes_at and story.vanishes_at <= now]
        return over[:limit]

    async def missed_expiries(self, before: datetime, limit: int) -> list[str]:
        over = [story.id for story in self.stories.values() if story.posted and story.posted.expires_at <= before]
        return over[:limit]

    async def record_erasure(self, story_ids: Collection[str], at: datetime, recheck_at: datetime) -> None:
        for story_id in self.endings.keys() & set(story_ids):
            self.endings[story_id] = replace(self.endings[story_id], erased_at=at)
            self.rechecks[story_id] = recheck_at

    async def due_rechecks(self, now: datetime, limit: int) -> list[str]:
        return [story_id for story_id, at in self.rechecks.items() if at <= now][:limit]

    async def clear_recheck(self, story_id: str) -> None:
        self.rechecks.pop(story_id, None)

    async def created_until(self, user_id: str, at: datetime, limit: int) -> list[str]:
        own = [story.id for story in self.stories.values() if story.author_id == user_id and story.created_at <= at]
        return own[:limit]

    async def unerased(self, user_id: str, at: datetime, limit: int) -> list[str]:
        return [ended.id for ended in self._ended_until(user_id, at) if ended.erased_at is None][:limit]

    async def delete_user_records(self, user_id: str, at: datetime) -> None:
        self.quotas[user_id] = (await self.quota(user_id)).posted_after(at)
        self.archive.on_erasure(user_id, at)
        if self.archive.settings.get(user_id, at) <= at:
            self.archive.settings.pop(user_id, None)
        for ended in self._ended_until(user_id, at):
            if ended.id not in self.pending:
                self.endings[ended.id] = replace(ended, author_id=None)

    def _ended_until(self, user_id: str, at: datetime) -> list[Ended]:
        own = [ended for ended in self.endings.values() if ended.author_id == user_id]
        return [ended for ended in own if ended.by == "erasure" or ended.at <= at]

    async def suspend(self, user_id: str, at: datetime, until: datetime) -> None:
        erased = self.erased_users.marks.get(user_id)
        if erased is None or erased.until < at:
            self.quotas[user_id] = (await self.quota(user_id)).suspend(at, until)

    async def referenced_uploads(self, keys: Collection[str]) -> set[str]:
        unfinished = {story.id for story in self.stories.values() if story.state in (State.DRAFT, State.PROCESSING)}
        return {key for key in keys if story_of(key) in unfinished}

    async def referenced_keys(self, keys: Collection[str]) -> set[str]:
        referenced = {key for story in self.stories.values() if story.posted for key in story.posted.media.keys}
        running = {folder for story in self.stories.values() if story.job for folder in (story.id, *story.job.parts)}
        running |= {story.id for story in self.stories.values() if story.posted and story.posted.renditions_job}
        return {key for key in keys if key in referenced or story_of(key) in running}

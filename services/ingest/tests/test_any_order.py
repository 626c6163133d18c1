"""Stateful test: quota, ended stories and pending events stay consistent under any order of operations."""

import asyncio
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule
from stories_ingest.domain import transitions
from stories_ingest.domain.errors import IngestError
from stories_ingest.domain.quota import QuotaLimits
from stories_ingest.domain.story import EndReason, State
from stories_ingest.testing.builders import NOW, draft, part
from stories_ingest.testing.in_memory import MemoryStories
from stories_shared.events.ids import new_id
from stories_shared.testing import FakeClock

FEW = QuotaLimits(drafts=3, live=3, posted_24h=6)


class AuthorMachine(RuleBasedStateMachine):
    """An author's operations in any order."""

    stories = Bundle("stories")

    def __init__(self):
        super().__init__()
        self.store, self.now, self.posted = MemoryStories(), FakeClock(NOW), 0

    def attempt(self, coroutine):
        try:
            return asyncio.run(coroutine)
        except IngestError:
            return None

    def transact(self, story_id, rule):
        return self.attempt(self.store.transact(story_id, rule))

    @rule(target=stories)
    def create(self):
        story = draft(now=self.now())
        admit = lambda quota: quota.draft(story.id, story.vanishes_at, self.now(), FEW)  # noqa: E731
        self.attempt(self.store.create(story, admit))
        return story.id if story.id in self.store.stories else multiple()

    @rule(story_id=stories)
    def publish(self, story_id):
        self.transact(story_id, lambda snapshot: transitions.publish(snapshot, "etag", self.now(), FEW))

    @rule(target=stories, parts=st.integers(1, 3), refused=st.booleans())
    def work(self, parts, refused):
        job = asyncio.run(self.store.claim("w", self.now(), self.now()))
        if job is None:
            return multiple()
        if refused:
            self.transact(job.id, lambda snapshot: transitions.refuse(snapshot, "w", "damaged", self.now()))
            return multiple()
        made = [part(job.id), *(part(new_id()) for _ in range(parts - 1))]
        self.transact(job.id, lambda snapshot: transitions.go_live(snapshot, "w", made, self.now()))
        self.posted += 1
        return multiple(*(each.id for each in made[1:]))

    @rule(story_id=stories, audience=st.sampled_from(["everyone", "friends"]))
    def change(self, story_id, audience):
        self.transact(
            story_id,
            lambda snapshot: transitions.change(snapshot, lambda each: replace(each, audience=audience), self.now()),
        )

    @rule(story_id=stories)
    def cancel(self, story_id):
        self.transact(story_id, lambda snapshot: transitions.cancel(snapshot, self.now()))

    @rule(story_id=consumes(stories), series=st.booleans())
    def delete(self, story_id, series):
        self.transact(
            story_id,
            lambda snapshot: transitions.delete(snapshot, by="author", series=series, now=self.now(), new_id=new_id),
        )

    @rule(hours=st.sampled_from([0.5, 7, 25]))
    def time_passes(self, hours):
        self.now.forward(hours=hours)
        for story in [story for story in self.store.stories.values() if story.is_over(self.now())]:
            self.transact(
                story.id,
                transitions.expire if story.posted else lambda snapshot: transitions.discard(snapshot, self.now()),
            )

    @invariant()
    def quota_matches_the_stories(self):
        quota = asyncio.run(self.store.quota("ann")).pruned(self.now())
        stories = self.store.stories.values()
        by_state = {state: {story.quota_key for story in stories if story.state is state} for state in State}
        assert {slot.story for slot in quota.live} == by_state[State.LIVE]
        assert {slot.story for slot in quota.drafts} == by_state[State.DRAFT]
        assert {slot.story for slot in quota.held} <= by_state[State.PROCESSING]
        assert len(quota.live) <= FEW.live
        assert len(quota.posted) <= min(FEW.posted_24h, self.posted)

    @invariant()
    def no_story_is_both_live_and_ended(self):
        assert not self.store.stories.keys() & self.store.endings.keys()

    @invariant()
    def only_posted_stories_have_pending_events(self):
        for story_id in self.store.pending:
            ended, story = self.store.endings.get(story_id), self.store.stories.get(story_id)
            assert (story and story.posted) or (ended and ended.how is EndReason.DELETED)

    @invariant()
    def parts_of_a_series_are_equal(self):
        for story in self.store.stories.values():
            if story.posted and story.posted.series_id:
                parts = asyncio.run(self.store.parts(story.posted.series_id))
                assert len({(each.posted.posted_at, each.settings, each.posted.revision) for each in parts}) == 1


TestAuthorMachine = AuthorMachine.TestCase
TestAuthorMachine.settings = settings(max_examples=60, stateful_step_count=30)

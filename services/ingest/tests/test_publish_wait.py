"""Cost of publish requests that wait for the result."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
from pymongo.monitoring import CommandListener
from stories_ingest.domain.story import Requester, State
from stories_ingest.store.documents import STORIES, story_document
from stories_ingest.store.stories import MongoStories
from stories_ingest.testing.builders import BOUNDS, processing
from stories_ingest.testing.in_memory import MemoryBucket
from stories_ingest.usecases.rollout import Rollout
from stories_ingest.usecases.stories import PublishStory
from stories_ingest.usecases.wakeups import Wakeups
from stories_shared.clock import system_now
from stories_shared.mongo.client import Mongo
from stories_shared.rollout import Policy
from stories_shared.testing import eventually

pytestmark = pytest.mark.servers

WAITING = 200
SECONDS = 2


class FindCounter(CommandListener):
    """Counts queries, separately for whole documents."""

    def __init__(self):
        self.counted = Counter()

    def started(self, event):
        if event.command_name == "find":
            self.counted["parts" if "projection" in event.command else "whole"] += 1

    def succeeded(self, event):
        pass

    def failed(self, event):
        pass


@pytest.fixture
async def publishing(namespace):
    """Processing stories without a worker, the use case, its wake-ups, and the query counts."""
    finds = FindCounter()
    mongo = Mongo.connect(namespace["MONGO_URL"], namespace["MONGO_DATABASE"], listeners=[finds])
    stories = [processing(now=system_now()) for _ in range(WAITING)]
    await mongo[STORIES].insert_many([{"_id": story.id, **story_document(story)} for story in stories])
    wakeups = Wakeups()
    publish = PublishStory(
        MongoStories(mongo, system_now), MemoryBucket(), wakeups, BOUNDS, Rollout(Policy), system_now
    )
    yield stories, publish, wakeups, finds.counted, mongo
    await mongo.close()


async def test_waiting_requests_share_queries_for_states_only(publishing):
    stories, publish, _, counted, _ = publishing
    answers = await asyncio.gather(
        *(publish(Requester("ann"), story.id, timedelta(seconds=SECONDS)) for story in stories)
    )
    assert {answer.state for answer in answers} == {State.PROCESSING}
    assert counted["whole"] == 2 * WAITING
    assert counted["parts"] < WAITING


async def test_waiting_request_is_notified_within_its_process(publishing):
    stories, publish, wakeups, counted, mongo = publishing
    waiting = asyncio.ensure_future(publish(Requester("ann"), stories[0].id, timedelta(seconds=30)))

    async def queried():
        return counted["parts"]

    await eventually(queried)
    await mongo[STORIES].update_one({"_id": stories[0].id}, {"$set": {"state": "refused", "job": None}})
    wakeups.notify(stories[0].id)
    assert (await asyncio.wait_for(waiting, 10)).state is State.REFUSED

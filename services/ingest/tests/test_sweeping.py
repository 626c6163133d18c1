"""What nobody asks for: drafts left alone, strays in the bucket, workers that die."""

from datetime import timedelta

import pytest
from stories_ingest.store.documents import STORIES
from stories_ingest.testing.running import eventually, photo, upload
from stories_shared.ids import new_id

pytestmark = pytest.mark.servers


async def test_a_draft_left_alone_vanishes_with_its_upload(start):
    async with start(draft_ttl="2s") as ingest:
        ann = ingest.author()
        draft = await ann.drafted(photo())

        async def vanished():
            return await ingest.keys() == [] and await ingest.mongo[STORIES].find_one({"_id": draft["id"]}) is None

        assert (await ann.show(draft["id"])).status_code == 200
        await eventually(vanished)
        assert (await ann.publish(draft["id"])).status_code == 404


async def test_a_form_used_again_after_the_end_leaves_nothing_for_long(start):
    async with start(sweep_every=timedelta(seconds=1)) as ingest:
        ann, media = ingest.author(), photo()
        draft = await ann.drafted(media)
        kept = len((await ann.publish(draft["id"])).json()["part_ids"]) * 2
        for _ in range(2):
            assert (await upload(draft["upload"], media)).status_code in (200, 204)

            async def swept():
                return len(await ingest.keys()) == kept

            await eventually(swept)


async def test_a_stray_under_the_final_keys_is_removed(start, tmp_path):
    async with start(sweep_every=timedelta(seconds=1)) as ingest:
        story = await ingest.author().post()
        stray = tmp_path / "stray"
        stray.write_bytes(b"stray")
        await ingest.objects.put_file(f"stories/{new_id()}/a.mp4", stray, "video/mp4")
        await ingest.objects.put_file(f"stories/{story['id']}/a.mp4", stray, "video/mp4")

        async def swept():
            return len(await ingest.keys()) == 2

        await eventually(swept)


async def test_a_killed_workers_job_is_taken_over(start):
    async with start(role="api") as api:
        ann = api.author()
        draft = await ann.drafted(photo())
        assert (await ann.publish(draft["id"], wait=0)).status_code == 202
        dead = {"job.worker": "dead", "job.attempts": 1}
        await api.mongo[STORIES].update_one({"_id": draft["id"]}, {"$set": dead})
        async with start(role="worker"):
            assert (await ann.publish(draft["id"])).status_code == 200


async def test_two_replicas_share_the_work_and_make_every_story_once(start):
    async with start() as one, start() as two:
        authors = [replica.author(f"user{number}") for number, replica in enumerate((one, two) * 3)]
        stories = [await author.post() for author in authors]
        for story in stories:
            assert {news["revision"] for news in await one.of("story-posted", story["id"])} == {1}
        assert len(await one.keys()) == 2 * len(stories)

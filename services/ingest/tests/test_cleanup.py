"""Cleanup: abandoned drafts, orphaned objects, killed workers."""

import asyncio
import os
import sys
from datetime import timedelta

import pytest
from stories_embedded.ports import free_port
from stories_ingest.store.documents import STORIES
from stories_ingest.testing.harness import photo, upload
from stories_ingest.testing.samples import sample_clip
from stories_shared.events.ids import new_id
from stories_shared.testing import eventually

pytestmark = pytest.mark.servers


async def test_abandoned_draft_is_discarded_with_its_upload(start):
    async with start(draft_ttl="2s") as ingest:
        ann = ingest.author()
        draft = await ann.drafted(photo())

        async def vanished():
            return await ingest.keys() == [] and await ingest.mongo[STORIES].find_one({"_id": draft["id"]}) is None

        assert (await ann.show(draft["id"])).status_code == 200
        await eventually(vanished)
        assert (await ann.publish(draft["id"])).status_code == 404


async def test_upload_with_a_used_form_is_removed_by_a_sweep(start):
    async with start(sweep_every=timedelta(seconds=1)) as ingest:
        ann, media = ingest.author(), photo()
        draft = await ann.drafted(media)
        kept = len((await ann.publish(draft["id"])).json()["part_ids"]) * 2
        for _ in range(2):
            assert (await upload(draft["upload"], media)).status_code in (200, 204)

            async def swept():
                return len(await ingest.keys()) == kept

            await eventually(swept)


async def test_orphaned_final_objects_are_removed(start, tmp_path):
    async with start(sweep_every=timedelta(seconds=1)) as ingest:
        story = await ingest.author().post()
        stray = tmp_path / "stray"
        stray.write_bytes(b"stray")
        await ingest.objects.put_file(f"stories/{new_id()}/a.mp4", stray, "video/mp4")
        await ingest.objects.put_file(f"stories/{story['id']}/a.mp4", stray, "video/mp4")

        async def swept():
            return len(await ingest.keys()) == 2

        await eventually(swept)


async def test_orphaned_uploads_of_a_large_bucket_are_removed(start, tmp_path):
    stray = tmp_path / "stray"
    stray.write_bytes(b"stray")
    async with start(role="api", sweep_every=timedelta(seconds=1)) as ingest:
        draft = await ingest.author().drafted(photo())
        writes = (ingest.objects.put_file(f"staging/{new_id()}", stray, "video/mp4") for _ in range(2_100))
        await asyncio.gather(*writes)

        async def swept():
            return await ingest.keys() == [f"staging/{draft['id']}"]

        await eventually(swept, within_s=60)


async def test_job_of_a_killed_worker_is_taken_over(start, namespace, tmp_path):
    clip = sample_clip(tmp_path / "long.mp4", 31, key_seconds=100, width=180, height=320, fps=15)
    async with start(role="api", sweep_every=timedelta(seconds=1)) as api:
        ann = api.author()
        draft = await ann.drafted(clip.read_bytes(), "video/mp4")
        assert (await ann.publish(draft["id"], wait=0)).status_code == 202
        environment = {
            **os.environ,
            **namespace,
            "ROLE": "worker",
            "PORT": str(free_port(set())),
            "TMPDIR": str(tmp_path),
        }
        worker = await asyncio.create_subprocess_exec(sys.executable, "-m", "stories_ingest", env=environment)

        async def working():
            document = await api.mongo[STORIES].find_one({"_id": draft["id"]})
            return document["job"]["worker"]

        try:
            await eventually(working, within_s=60)
        finally:
            worker.kill()
            await worker.wait()
        async with start(role="worker"):
            answer = await ann.publish(draft["id"])
            while answer.status_code == 202:
                answer = await ann.publish(draft["id"])
        assert (answer.status_code, answer.json()["parts"]) == (200, 3)

        async def swept():
            return len(await api.keys()) == 6

        await eventually(swept)


async def test_two_replicas_share_the_jobs_and_post_each_story_once(start):
    async with start() as one, start() as two:
        authors = [replica.author(f"user{number}") for number, replica in enumerate((one, two) * 3)]
        stories = [await author.post() for author in authors]
        for story in stories:
            assert {event["revision"] for event in await one.events_of("story-posted", story["id"])} == {1}
        assert len(await one.keys()) == 2 * len(stories)

"""Startup, settings and composition of ingest."""

import asyncio
import os
import sys
from datetime import timedelta

import pytest
from faststream import AckPolicy
from minio import Minio
from minio.commonconfig import ENABLED
from minio.versioningconfig import VersioningConfig
from stories_embedded.ports import free_port
from stories_ingest.app import build_app, init
from stories_ingest.settings import IngestSettings
from stories_ingest.store.documents import ENDED_RETENTION
from stories_ingest.testing.harness import photo, settings_of
from stories_shared.kafka.topics import Topics
from stories_shared.runtime.settings import load
from stories_shared.testing import eventually

pytestmark = pytest.mark.servers


async def run(namespace):
    """Exit code and standard error of the process."""
    environment = {**os.environ, **namespace, "PORT": str(free_port(set()))}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stories_ingest", env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        _, stderr_output = await asyncio.wait_for(process.communicate(), 120)
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode, stderr_output.decode().strip()


async def test_init_is_idempotent(namespace):
    for _ in range(2):
        await init(settings_of(namespace))


async def test_versioned_bucket_fails_the_start_with_one_line(namespace):
    settings = settings_of(namespace)
    await init(settings)
    client = Minio(
        namespace["S3_ENDPOINT"],
        namespace["S3_ACCESS_KEY"],
        namespace["S3_SECRET_KEY"],
        secure=False,
        region="us-east-1",
    )
    client.set_bucket_versioning(namespace["S3_BUCKET"], VersioningConfig(ENABLED))
    status, stderr = await run(namespace)
    assert (status, stderr.startswith("S3_BUCKET: "), "\n" in stderr) == (1, True, False)


@pytest.mark.parametrize("changed", [{"role": "both"}, {"still_images": "maybe"}, {"max_parts": "0"}])
def test_invalid_setting_fails_the_start_with_one_line(namespace, capsys, changed):
    values = {name.lower(): value for name, value in namespace.items()}
    with pytest.raises(SystemExit) as stopped:
        load(IngestSettings, values | changed)
    stderr = capsys.readouterr().err
    assert (stopped.value.code, stderr.count("\n")) == (2, 1)
    assert stderr.startswith(f"{next(iter(changed)).upper()}: ")


async def test_every_subscriber_has_the_same_ack_policy(namespace):
    app = build_app(settings_of(namespace))
    subscribers = app.state.runtime.subscribers
    assert {each.group_id.removeprefix(namespace.prefix) for each in subscribers} == {
        f"ingest.{topic}"
        for topic in (
            *("story-posted", "story-expired", "story-deleted", "story-held", "user-erased", "user-suspended"),
            *("user-blocked", "user-unblocked", "user-hidden", "user-unhidden", "story-erased"),
        )
    }
    assert {each.ack_policy for each in subscribers} == {AckPolicy.NACK_ON_ERROR}


def test_ended_records_outlive_every_kafka_record():
    topics = Topics.of([timedelta(hours=24)])
    of_stories = [topic for topic in topics.values() if not topic.name.startswith("user-suspended")]
    assert all(topic.max_record_age < ENDED_RETENTION for topic in of_stories)


async def test_motor_driver_works(start):
    async with start(mongo_driver="motor") as ingest:
        ann = ingest.author()
        story = await ann.post()
        assert (await ann.http.patch(f"/v1/stories/{story['id']}", json={"audience": "friends"})).status_code == 200
        assert (await ann.http.delete(f"/v1/stories/{story['id']}")).status_code == 204

        async def forgotten():
            return (await ingest.events_of("story-posted", story["id"]))[-1] is None

        await eventually(forgotten)


async def test_photos_can_be_disabled(start):
    async with start(still_images="off") as ingest:
        answer = await ingest.author().create(photo())
        assert (answer.status_code, answer.json()["reason"]) == (422, "still_images_off")
        assert "image/jpeg" not in (await ingest.http.get("/v1/config")).json()["content_types"]

"""Every object of a story is known by the keys of its media, also kinds that are added later."""

from dataclasses import asdict, dataclass, field, replace

from stories_ingest.domain import transitions
from stories_ingest.domain.media import Media, MediaPart, Preview, Rendition, object_keys
from stories_ingest.domain.story import State
from stories_ingest.store.documents import story_document, story_of
from stories_ingest.testing.builders import NOW, media, processing
from stories_ingest.testing.in_memory import MemoryBucket, MemoryPosition, MemoryRelay, MemoryStories, folder
from stories_ingest.usecases.run_media_job import RunMediaJob
from stories_ingest.usecases.sweeps import SweepObjects
from stories_ingest.usecases.wakeups import Wakeups
from stories_shared.events.ids import new_id
from stories_shared.testing import FakeClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Storyboard:
    """A made-up kind of object, within a list."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaOfTomorrow(Media):
    """Media with kinds of objects that no code knows."""

    waveform_key: str
    storyboards: tuple[Storyboard, ...] = field(default=())


def media_of_tomorrow() -> MediaOfTomorrow:
    today = replace(media("x"), key="a.mp4", poster_key="a.jpg")
    fields = {name: getattr(today, name) for name in asdict(today)}
    return MediaOfTomorrow(**fields, waveform_key="wave.webp", storyboards=(Storyboard(key="board.jpg"),))


def test_keys_are_all_objects_once() -> None:
    rendition = Rendition(key="small.mp4", content_type="video/mp4", size=1, width=2, height=2)
    made = replace(media_of_tomorrow(), captions_key="c.vtt", preview=Preview(blurhash="L", color="#000000"))
    made = replace(made, renditions=(made.itself, rendition))
    assert made.keys == ("a.mp4", "a.jpg", "small.mp4", "c.vtt", "wave.webp", "board.jpg")
    assert made.renamed(str.upper).keys == tuple(key.upper() for key in made.keys)


def test_stored_media_of_a_newer_release_is_readable_and_keeps_its_keys() -> None:
    story = transitions.go_live(snapshot := _leased(), "w", [_part(snapshot.story.id)], FakeClock(NOW)()).upserts[0]
    document = {"_id": story.id, **story_document(story)}
    assert object_keys(document["posted"]["media"]) == media_of_tomorrow().keys
    posted = story_of(document).posted
    assert posted is not None
    assert type(posted.media) is Media


async def test_made_up_kind_of_object_is_stored_kept_while_live_and_erased() -> None:
    stories, bucket, now = MemoryStories(), MemoryBucket(), FakeClock(NOW)
    story = processing()
    bucket.upload(story.id)
    stories.add(replace(story, job=replace(story.job, etag="media")))

    async def transcode(source, declared, split, into, progress):
        for name in media_of_tomorrow().keys:
            (into / name).write_bytes(b"x")
        return [MediaPart(media=media_of_tomorrow())]

    await RunMediaJob(
        worker="w",
        jobs=stories,
        stories=stories,
        bucket=bucket,
        transcode=transcode,
        scratch=folder,
        posted=MemoryRelay(stories),
        wakeups=Wakeups(),
        now=now,
    )()
    live = await stories.find(story.id)
    assert live.state is State.LIVE
    assert set(bucket.objects) == set(live.posted.media.keys)
    assert len(bucket.objects) == 4
    sweep = SweepObjects(bucket, "stories/", stories.referenced_keys, now, pages=10)
    bucket.objects[f"stories/{story.id}/stray.bin"] = b"x"
    await sweep(MemoryPosition())
    assert set(bucket.objects) == set(live.posted.media.keys)
    await stories.transact(
        story.id, lambda snapshot: transitions.delete(snapshot, by="author", series=False, now=now(), new_id=new_id)
    )
    await sweep(MemoryPosition())
    assert bucket.objects == {}


def _leased() -> transitions.StorySnapshot:
    story = processing(worker="w")
    return transitions.StorySnapshot(story, (story,), transitions.Quota())


def _part(story_id: str) -> transitions.NewPart:
    return transitions.NewPart(id=story_id, media=media_of_tomorrow(), captions_track=None)

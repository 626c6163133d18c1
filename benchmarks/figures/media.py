"""Media: the worker's time beside plain PyAV and Pillow, and from publishing until the story is live."""

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from stories_ingest.media import MediaLimits, make
from stories_ingest.testing.samples import sample_clip, sample_photo

from ..bench import Bench
from ..registry import figure
from ..results import Result, Sample, compare
from ..services import services

TEXT = {"kind": "text", "x": 0.1, "y": 0.4, "w": 0.8, "h": 0.2, "text": "hello"}
MP4, JPEG = "video/mp4", "image/jpeg"
CLIP_S, LONG_S, SIDE_4K, LONG_SIDE_4K = 15.0, 60.0, 2160, 3840
PHOTO = (4_000, 3_000)
ENCODED_ROUNDS = 1
LIMITS = MediaLimits(cpu_seconds=3_600, wall_seconds=1_800.0)
BY_HAND = """
import math, sys
from pathlib import Path
import av
from PIL import Image
what, source, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
def poster(image):
    image.thumbnail((1080, 1080), Image.Resampling.LANCZOS)
    image.save(folder / "poster.jpg", "JPEG", quality=85, progressive=True, optimize=True)
def copied(parts):
    with av.open(source) as clip:
        video, audio = clip.streams.video[0], clip.streams.audio[0]
        def opened(number):
            out = av.open(str(folder / f"{number}.mp4"), "w", options={"movflags": "faststart"})
            return out, {stream.index: out.add_stream_from_template(stream) for stream in (video, audio)}
        seconds, checked, number = float(clip.duration / 1e6), 0, 0
        parts = parts or math.ceil(seconds / 15.5)
        out, into = opened(0)
        for packet in clip.demux(video, audio):
            if packet.dts is None:
                continue
            at = float(packet.pts * packet.time_base)
            if packet.stream is video and packet.is_keyframe and at >= (number + 1) * seconds / parts - 0.001:
                out.close()
                number += 1
                out, into = opened(number)
            if packet.stream is video and (checked < 60 or packet.is_keyframe):
                for frame in packet.decode():
                    checked += 1
                    if checked == 1:
                        poster(frame.to_image())
            packet.stream = into[packet.stream.index]
            out.mux(packet)
        out.close()
def encoded():
    with av.open(source) as clip, av.open(str(folder / "0.mp4"), "w", options={"movflags": "faststart"}) as out:
        video, audio = clip.streams.video[0], clip.streams.audio[0]
        video.thread_type = "AUTO"
        scale = 1080 / min(video.width, video.height)
        width, height = (int(side * scale) // 2 * 2 for side in (video.width, video.height))
        options = {"preset": "veryfast", "profile": "high", "crf": "21"}
        made = out.add_stream("libx264", rate=video.average_rate, options=options)
        made.width, made.height, made.pix_fmt, made.codec_context.thread_count = width, height, "yuv420p", 2
        sound, first = out.add_stream_from_template(audio), True
        for packet in clip.demux(video, audio):
            if packet.stream is audio:
                if packet.dts is not None:
                    packet.stream = sound
                    out.mux(packet)
                continue
            for frame in packet.decode():
                small = frame.reformat(width, height, "yuv420p")
                if first:
                    poster(small.to_image())
                    first = False
                out.mux(made.encode(small))
        out.mux(made.encode(None))
def photo():
    image = Image.open(source).convert("RGB")
    for side in (2160, 1080):
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        image.save(folder / f"{side}.jpg", "JPEG", quality=90, progressive=True)
    poster(image)
{"copy": lambda: copied(1), "split": lambda: copied(None), "encode": encoded, "photo": photo}[what]()
"""


@figure("media")
async def media(bench: Bench) -> Sequence[Result]:
    """The worker's time for a clip or photo, beside plain PyAV or Pillow in a process of its own."""
    scale = 1.0 if bench.plan.scale == 1 else 0.1
    with tempfile.TemporaryDirectory(prefix="stories-media-") as name:
        folder = Path(name)

        async def sample(title: str, seconds: float, width: int, height: int, **options: Any) -> Path:
            path = folder / f"{title}.mp4"
            return await asyncio.to_thread(sample_clip, path, seconds, width=width, height=height, **options)

        photo = await asyncio.to_thread(sample_photo, folder / "photo.jpg", width=PHOTO[0], height=PHOTO[1])
        copied = await sample("copied", CLIP_S * scale, 1080, 1920)
        split = await sample("split", LONG_S * max(scale, 0.3), 720, 1280)
        results = [
            await beside(bench, folder, "media-copied", copied, MP4, "copy", f"{CLIP_S * scale:g} s of 1080 x 1920"),
            await beside(bench, folder, "media-split", split, MP4, "split", f"{LONG_S * max(scale, 0.3):g} s"),
            await beside(bench, folder, "media-photo", photo, JPEG, "photo", "12 MP"),
        ]
        hevc = await sample("hevc", CLIP_S * scale, SIDE_4K, LONG_SIDE_4K, codec="hevc", fps=30)
        note = f"{CLIP_S * scale:g} s of 4K HEVC to 1080p"
        rounds = ENCODED_ROUNDS
        return [*results, await beside(bench, folder, "media-4k-hevc", hevc, MP4, "encode", note, rounds)]


async def beside(
    bench: Bench, folder: Path, name: str, source: Path, kind: str, by_hand: str, note: str, rounds: int | None = None
) -> Result:
    """The product's worker beside a script of PyAV or Pillow; both start a process."""
    numbers = count()

    def into() -> Path:
        made = folder / f"{name}-{next(numbers)}"
        made.mkdir()
        return made

    async def worked() -> Sample:
        target, began = into(), time.monotonic()
        await make(source, kind, True, LIMITS, target, lambda _: None)
        return took(began)

    async def plain() -> Sample:
        target, began = into(), time.monotonic()
        script = [sys.executable, "-c", BY_HAND, by_hand, str(source), str(target)]
        running = await asyncio.create_subprocess_exec(*script)
        if await running.wait():
            raise RuntimeError(f"{by_hand} by hand ended with {running.returncode}")
        return took(began)

    return await compare(
        name, "uploads/s", worked, bench.plan, peer="PyAV or Pillow by hand", limit=plain, at_least=1 / 1.5,
        rounds=rounds, warm_up=rounds is None, note=note,
    )  # fmt: skip


def took(began: float) -> Sample:
    """The sample of one job."""
    seconds = time.monotonic() - began
    return Sample(1 / seconds, None, seconds * 1000)


@dataclass(frozen=True)
class Source:
    """A type of upload; a text story has none."""

    name: str
    media: dict[str, Any]
    path: Path | None = None


@figure("publish")
async def publish(bench: Bench) -> Sequence[Result]:
    """`POST …/publish` until the story is live, by the type of the source."""
    seconds = CLIP_S if bench.plan.scale == 1 else 1.5
    with tempfile.TemporaryDirectory(prefix="stories-media-") as name:
        folder = Path(name)
        clips: list[tuple[str, str, dict[str, Any]]] = [
            ("h264-1080p", "copied.mp4", {"width": 1080, "height": 1920}),
            ("hevc-720p", "hevc.mp4", {"width": 720, "height": 1280, "codec": "hevc"}),
            ("vp9-720p", "vp9.webm", {"width": 720, "height": 1280, "codec": "vp9", "audio": "libopus"}),
        ]
        sources = [Source("text", {"background": ["#336699", "#112233"], "angle": 90})]
        photo = await asyncio.to_thread(sample_photo, folder / "photo.jpg", width=PHOTO[0], height=PHOTO[1])
        sources.append(upload("photo-12mp", photo, JPEG))
        for title, file, options in clips:
            clip = await asyncio.to_thread(sample_clip, folder / file, seconds, **options)
            sources.append(upload(title, clip, MP4 if clip.suffix == ".mp4" else "video/webm"))
        async with services(bench, "ingest", LIMIT_CREATE="100000", LIMIT_WRITES="100000") as (_, running):
            token = {"Authorization": f"Bearer {bench.servers.token('author')}"}
            url = running["ingest"].process.url
            async with httpx.AsyncClient(base_url=url, headers=token, trust_env=False, timeout=180) as http:
                return [
                    await compare(
                        f"publish-{source.name}",
                        "stories/s",
                        lambda source=source: live(http, source),  # type: ignore[misc]
                        bench.plan,
                        rounds=bench.plan.rounds if source.path is None else 3,
                        warm_up=source.path is None,
                        note=f"{seconds:g} s" if source.media.get("content_type", JPEG) != JPEG else "",
                    )
                    for source in sources
                ]


def upload(name: str, path: Path, content_type: str) -> Source:
    """An upload of a file."""
    return Source(name, {"content_type": content_type, "size": path.stat().st_size}, path)


async def live(http: httpx.AsyncClient, source: Source) -> Sample:
    """Make and upload a draft, publish it, and wait until it is live; then delete it."""
    layers = [] if source.path else [TEXT]
    made = await http.post("/v1/stories", json={"media": source.media, "layers": layers})
    draft = made.raise_for_status().json()
    if source.path is not None:
        form = draft["upload"]
        file = {"file": ("media", source.path.read_bytes(), form["fields"]["Content-Type"])}
        async with httpx.AsyncClient(trust_env=False) as store:
            sent = await store.request(form["method"], form["url"], data=form["fields"], files=file)
            sent.raise_for_status()
    began = time.monotonic()
    answer = await http.post(f"/v1/stories/{draft['id']}/publish", params={"wait": 30})
    state = answer.raise_for_status().json()["state"]
    while state == "processing":
        state = (await http.get(f"/v1/me/stories/{draft['id']}")).raise_for_status().json()["state"]
    assert state == "live", state
    sample = took(began)
    (await http.delete(f"/v1/stories/{draft['id']}")).raise_for_status()
    return sample

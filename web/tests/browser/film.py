"""Cut what `film.mjs` recorded: `python film.py FOLDER FILE`, as H.264 (.mp4) or a small animated picture (.webp)."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import av
from PIL import Image, ImageDraw, ImageFont

PHONE = (360, 780)
MARGIN, HEAD, RADIUS = 28, 72, 30
SIZE = (2 * PHONE[0] + 3 * MARGIN, HEAD + PHONE[1] + MARGIN)
NIGHT, WHITE = (13, 16, 26), (241, 244, 250)
FPS, ANIMATED_FPS = 25, 8
ANIMATED_SHARE = 0.7


def pictures(folder: Path, fps: int) -> Iterator[tuple[Image.Image, int]]:
    """Each picture of the film, and for how many frames it is seen."""
    film = json.loads((folder / "film.json").read_text())
    events = sorted(film["events"], key=lambda each: each["at"])
    corners = Image.new("L", PHONE)
    ImageDraw.Draw(corners).rounded_rectangle((0, 0, *PHONE), RADIUS, fill=255)
    picture, seen, at = Image.new("RGB", SIZE, NIGHT), 0, 0
    for frame in range(round((film["to"] - film["from"]) / 1000 * fps)):
        latest = {}
        while at < len(events) and events[at]["at"] <= film["from"] + frame * 1000 / fps:
            latest[events[at].get("phone")] = events[at]
            at += 1
        if latest and seen:
            yield picture.copy(), seen
            seen = 0
        for phone, event in latest.items():
            if phone is None:
                title(picture, event["text"])
            else:
                screen = Image.open(folder / event["file"]).convert("RGB").resize(PHONE)
                picture.paste(screen, (MARGIN + phone * (PHONE[0] + MARGIN), HEAD), corners)
        seen += 1
    yield picture, seen


def title(picture: Image.Image, text: str) -> None:
    """What happens, above both screens."""
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, SIZE[0], HEAD - 1), fill=NIGHT)
    draw.text((SIZE[0] / 2, HEAD / 2), text, WHITE, ImageFont.load_default(30), anchor="mm")


def cut(folder: Path, path: Path) -> None:
    """Write the film."""
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.options = {"crf": "23", "preset": "veryfast"}
        for picture, frames in pictures(folder, FPS):
            for _ in range(frames):
                container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode(None))


def animate(folder: Path, path: Path) -> None:
    """Write the film as an animated picture."""
    size = (round(SIZE[0] * ANIMATED_SHARE), round(SIZE[1] * ANIMATED_SHARE))
    shots = [(each.resize(size, Image.Resampling.LANCZOS), n) for each, n in pictures(folder, ANIMATED_FPS)]
    durations = [frames * 1000 // ANIMATED_FPS for _, frames in shots]
    first, *rest = (each for each, _ in shots)
    first.save(path, save_all=True, append_images=rest, duration=durations, loop=0, quality=52, method=4)


if __name__ == "__main__":
    (animate if sys.argv[2].endswith(".webp") else cut)(Path(sys.argv[1]), Path(sys.argv[2]))

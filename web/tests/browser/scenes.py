"""Pictures and a clip for screenshots, journeys and films, painted from numbers: `python scenes.py FOLDER [NAME…]`."""

import math
import random
import sys
from itertools import pairwise
from pathlib import Path

import av
from PIL import Image, ImageChops, ImageDraw, ImageFilter

SIZE = (1080, 1920)
Color = tuple[int, int, int]


def sky(*stops: tuple[float, Color]) -> Image.Image:
    """A vertical gradient through colours at heights from 0 to 1."""
    column = Image.new("RGB", (1, SIZE[1]))
    for y in range(SIZE[1]):
        at = y / SIZE[1]
        (a, one), (b, other) = next((pair for pair in pairwise(stops) if pair[0][0] <= at <= pair[1][0]), stops[-2:])
        share = min(1.0, max(0.0, (at - a) / (b - a)))
        column.putpixel((0, y), tuple(round(p + (q - p) * share) for p, q in zip(one, other, strict=True)))
    return column.resize(SIZE)


def glow(picture: Image.Image, x: float, y: float, radius: float, color: Color, strength: float = 1.0) -> None:
    """Light around a point."""
    light = Image.new("RGB", SIZE)
    draw = ImageDraw.Draw(light)
    for step in range(24, 0, -1):
        share = (1 - step / 24) ** 2 * strength
        size = radius * step / 24
        draw.ellipse((x - size, y - size, x + size, y + size), fill=tuple(round(each * share) for each in color))
    light = light.filter(ImageFilter.GaussianBlur(radius / 14))
    picture.paste(ImageChops.screen(picture, light))


def ridge(seed: int, base: float, height: float, rough: float) -> list[tuple[float, float]]:
    """The outline of hills: waves of halving length."""
    dice = random.Random(seed)
    waves = [(height / 2**n * rough**n, 2**n * (0.8 + dice.random() * 0.5), dice.random() * 7) for n in range(6)]
    points = [
        (float(x), base - sum(a * math.sin(x / SIZE[0] * f * 3 + p) for a, f, p in waves))
        for x in range(0, SIZE[0] + 9, 4)
    ]
    return [*points, (SIZE[0], SIZE[1]), (0, SIZE[1])]


def hills(
    picture: Image.Image, layers: int, start: float, far: Color, near: Color, rough: float = 1.0, seed: int = 1
) -> None:
    """Ridges from far to near."""
    draw = ImageDraw.Draw(picture)
    for n in range(layers):
        share = n / max(1, layers - 1)
        color = tuple(round(p + (q - p) * share) for p, q in zip(far, near, strict=True))
        draw.polygon(
            ridge(seed + n, SIZE[1] * (start + (1 - start) * share * 0.72), 90 + 50 * share, rough), fill=color
        )


def dusk() -> Image.Image:
    picture = sky(
        (0, (38, 28, 92)), (0.3, (148, 62, 128)), (0.5, (255, 128, 96)), (0.62, (255, 204, 128)), (1, (255, 204, 128))
    )
    glow(picture, 700, 1020, 620, (255, 190, 110))
    ImageDraw.Draw(picture).ellipse((600, 920, 800, 1120), fill=(255, 240, 205))
    hills(picture, 6, 0.56, (190, 96, 128), (20, 14, 46), 1.1, 11)
    return picture


def sea() -> Image.Image:
    picture = sky(
        (0, (22, 92, 168)),
        (0.32, (98, 176, 222)),
        (0.46, (250, 224, 196)),
        (0.5, (255, 208, 160)),
        (0.501, (36, 104, 148)),
        (1, (6, 30, 62)),
    )
    glow(picture, 420, 930, 560, (255, 214, 150))
    draw = ImageDraw.Draw(picture)
    draw.pieslice((330, 850, 510, 1030), 180, 360, fill=(255, 248, 226))
    dice = random.Random(4)
    for y in range(970, 1900, 7):
        spread = 60 + (y - 960) * 0.32
        for _ in range(5):
            x = 420 + dice.gauss(0, spread * 0.5)
            length = dice.uniform(14, 30 + spread * 0.3)
            light = max(0.0, 1 - (y - 960) / 900)
            draw.line(
                (x, y, x + length, y),
                fill=(round(120 + 135 * light), round(140 + 90 * light), round(150 + 40 * light)),
                width=3,
            )
    return picture


def city() -> Image.Image:
    picture = sky((0, (8, 10, 36)), (0.45, (46, 34, 96)), (0.75, (172, 74, 130)), (1, (255, 140, 110)))
    draw = ImageDraw.Draw(picture)
    dice = random.Random(7)
    for _ in range(160):
        x, y = dice.uniform(0, 1080), dice.uniform(0, 800)
        draw.point((x, y), fill=(255, 255, 255))
        draw.ellipse((x, y, x + 2, y + 2), fill=(220, 224, 255))
    for depth, (low, high, tone) in enumerate(
        [(900, 1250, (60, 40, 104)), (1050, 1450, (32, 22, 66)), (1250, 1650, (12, 10, 32))]
    ):
        x = -20.0
        while x < 1080:
            width, top = dice.uniform(90, 180), dice.uniform(low, high)
            draw.rectangle((x, top, x + width, 1920), fill=tone)
            for wx in range(int(x) + 12, int(x + width) - 14, 24):
                for wy in range(int(top) + 18, 1900, 34):
                    if dice.random() < 0.16 + depth * 0.14:
                        draw.rectangle(
                            (wx, wy, wx + 11, wy + 15),
                            fill=dice.choice([(255, 214, 130), (255, 190, 96), (160, 200, 255)]),
                        )
            x += width + dice.uniform(0, 10)
    return picture


def dunes() -> Image.Image:
    picture = sky((0, (74, 158, 214)), (0.4, (206, 226, 226)), (0.5, (255, 232, 196)), (1, (255, 232, 196)))
    draw = ImageDraw.Draw(picture)
    tones = [
        ((236, 184, 128), (206, 144, 92)),
        ((228, 164, 104), (182, 112, 66)),
        ((214, 140, 80), (146, 82, 48)),
        ((196, 116, 62), (110, 58, 36)),
    ]
    for n, (light, dark) in enumerate(tones):
        base, phase = 940 + n * 210, 1.3 + n * 2.1
        crest = [
            (x, base + 120 * math.sin(x / 1080 * 2.4 + phase) + 30 * math.sin(x / 1080 * 6 + n))
            for x in range(0, 1090, 6)
        ]
        draw.polygon([*crest, (1080, 1920), (0, 1920)], fill=light)
        draw.polygon(
            [*crest, *[(x, y + 90 + 140 * abs(math.sin(x / 1080 * 3 + phase))) for x, y in reversed(crest)]], fill=dark
        )
    return picture.filter(ImageFilter.GaussianBlur(1.2))


def forest() -> Image.Image:
    picture = sky((0, (196, 220, 214)), (0.5, (150, 190, 180)), (1, (92, 138, 128)))
    glow(picture, 640, 520, 720, (255, 244, 206), 0.8)
    dice = random.Random(3)
    for depth in range(5):
        share = depth / 4
        tone = tuple(round(p + (q - p) * share) for p, q in zip((142, 180, 170), (10, 34, 34), strict=True))
        layer = Image.new("RGBA", SIZE)
        draw = ImageDraw.Draw(layer)
        for _ in range(16 - depth * 2):
            x, foot, tall = dice.uniform(-60, 1140), 1050 + share * 900, dice.uniform(420, 640) * (0.7 + share * 0.9)
            for tier in range(7):
                top, wide = foot - tall * (1 - tier / 8), tall * (0.05 + 0.032 * tier)
                draw.polygon([(x, top), (x - wide, top + tall / 5), (x + wide, top + tall / 5)], fill=(*tone, 255))
            draw.rectangle((x - tall * 0.02, foot - tall * 0.1, x + tall * 0.02, foot + 60), fill=(*tone, 255))
        picture.paste(layer, (0, 0), layer)
        mist = Image.new("RGBA", SIZE, (206, 226, 220, 0 if depth == 4 else 46))
        picture.paste(mist, (0, 0), mist)
    return picture


def aurora() -> Image.Image:
    picture = sky((0, (4, 8, 30)), (0.6, (10, 40, 66)), (1, (14, 60, 72)))
    light = Image.new("RGB", SIZE)
    draw = ImageDraw.Draw(light)
    for band, color in enumerate([(40, 220, 150), (60, 160, 230), (150, 90, 230)]):
        for x in range(0, 1080, 5):
            y = 620 + band * 90 + 170 * math.sin(x / 190 + band * 1.4) + 60 * math.sin(x / 70 + band)
            tall = 300 + 160 * math.sin(x / 110 + band * 2)
            for step in range(12):
                share = (1 - step / 12) ** 2 * 0.7
                draw.rectangle(
                    (x, y - tall * (step + 1) / 12, x + 5, y - tall * step / 12),
                    fill=tuple(round(c * share) for c in color),
                )
    picture = ImageChops.screen(picture, light.filter(ImageFilter.GaussianBlur(16)))
    draw, dice = ImageDraw.Draw(picture), random.Random(2)
    for _ in range(260):
        x, y, size = dice.uniform(0, 1080), dice.uniform(0, 1150), dice.choice([1, 1, 2, 3])
        draw.ellipse((x, y, x + size, y + size), fill=(235, 244, 255))
    hills(picture, 3, 0.66, (10, 30, 48), (2, 6, 16), 1.6, 40)
    return picture


def coffee() -> Image.Image:
    picture = Image.new("RGB", SIZE, (214, 190, 164))
    draw, dice = ImageDraw.Draw(picture), random.Random(9)
    for n in range(7):
        draw.rectangle(
            (n * 160, 0, n * 160 + 158, 1920), fill=tuple(each + dice.randint(-12, 12) for each in (208, 176, 140))
        )
    for _ in range(900):
        x, y = dice.uniform(0, 1080), dice.uniform(0, 1920)
        draw.line((x, y, x + dice.uniform(-3, 3), y + dice.uniform(40, 190)), fill=(190, 156, 120), width=2)
    picture = picture.filter(ImageFilter.GaussianBlur(1.5))
    shade = Image.new("L", SIZE)
    ImageDraw.Draw(shade).ellipse((220, 700, 960, 1440), fill=150)
    picture.paste((70, 46, 30), (0, 0), shade.filter(ImageFilter.GaussianBlur(46)))
    draw = ImageDraw.Draw(picture)
    for size, color in [
        (360, (246, 243, 238)),
        (338, (226, 221, 214)),
        (250, (252, 250, 246)),
        (226, (96, 56, 30)),
        (212, (176, 118, 72)),
    ]:
        draw.ellipse((540 - size, 1000 - size, 540 + size, 1000 + size), fill=color)
    for n, (size, color) in enumerate(
        [
            (150, (240, 218, 186)),
            (116, (176, 118, 72)),
            (96, (240, 218, 186)),
            (62, (176, 118, 72)),
            (44, (240, 218, 186)),
        ]
    ):
        y = 1000 + n * 6
        draw.pieslice((540 - size, y - size, 540, y), 140, 360, fill=color)
        draw.pieslice((540, y - size, 540 + size, y), 180, 400, fill=color)
        draw.polygon(
            [(540 - size * 0.97, y - size * 0.36), (540 + size * 0.97, y - size * 0.36), (540, y + size)], fill=color
        )
    return picture.filter(ImageFilter.GaussianBlur(1.4))


def balloons() -> Image.Image:
    picture = sky((0, (96, 178, 240)), (0.55, (196, 226, 248)), (0.8, (255, 226, 206)), (1, (255, 206, 176)))
    dice = random.Random(21)
    palettes = [
        ((232, 72, 85), (255, 205, 86)),
        ((54, 112, 224), (245, 245, 255)),
        ((46, 182, 140), (255, 236, 170)),
        ((238, 120, 56), (110, 60, 160)),
    ]
    for n, (x, y, size) in enumerate(
        [(760, 520, 70), (240, 760, 110), (860, 980, 130), (460, 420, 46), (420, 1180, 210)]
    ):
        one, other = palettes[n % 4]
        layer = Image.new("RGBA", SIZE)
        draw = ImageDraw.Draw(layer)
        for stripe in range(8, 0, -1):
            wide = size * stripe / 8
            color = one if stripe % 2 else other
            draw.ellipse((x - wide, y - size, x + wide, y + size), fill=(*color, 255))
            draw.polygon(
                [
                    (x - wide * 0.93, y + size * 0.36),
                    (x + wide * 0.93, y + size * 0.36),
                    (x + wide * 0.16, y + size * 1.3),
                    (x - wide * 0.16, y + size * 1.3),
                ],
                fill=(*color, 255),
            )
        draw.rectangle((x - size * 0.14, y + size * 1.42, x + size * 0.14, y + size * 1.66), fill=(92, 60, 40, 255))
        picture.paste(layer, (0, 0), layer)
    hills(picture, 4, 0.78, (150, 176, 190), (36, 62, 70), 0.7, dice.randint(1, 9))
    return picture


def alps() -> Image.Image:
    picture = sky((0, (30, 84, 168)), (0.35, (120, 184, 232)), (0.6, (244, 236, 226)), (1, (244, 236, 226)))
    hills(picture, 5, 0.44, (206, 222, 238), (22, 52, 92), 1.7, 61)
    return picture


def meadow() -> Image.Image:
    picture = sky((0, (255, 158, 128)), (0.4, (255, 214, 170)), (0.55, (255, 240, 214)), (1, (255, 240, 214)))
    glow(picture, 260, 860, 540, (255, 236, 180))
    ImageDraw.Draw(picture).ellipse((180, 780, 340, 940), fill=(255, 250, 232))
    hills(picture, 6, 0.54, (196, 208, 150), (26, 72, 52), 0.55, 80)
    return picture


def lagoon() -> Image.Image:
    picture = sky((0, (88, 44, 140)), (0.3, (226, 98, 150)), (0.48, (255, 190, 160)), (1, (255, 190, 160)))
    hills(picture, 3, 0.5, (150, 84, 150), (62, 30, 92), 1.0, 33)
    draw = ImageDraw.Draw(picture)
    water = sky((0, (226, 98, 150)), (0.62, (226, 120, 160)), (1, (44, 30, 92)))
    picture.paste(water.crop((0, 1190, 1080, 1920)), (0, 1190))
    dice = random.Random(12)
    for _ in range(420):
        x, y = dice.uniform(-40, 1080), dice.uniform(1190, 1900)
        draw.line(
            (x, y, x + dice.uniform(20, 150), y),
            fill=dice.choice([(255, 190, 180), (180, 84, 150), (110, 60, 140)]),
            width=2,
        )
    return picture


SCENES = {
    each.__name__: each for each in (dusk, sea, city, dunes, forest, aurora, coffee, balloons, alps, meadow, lagoon)
}


def clip(path: Path, picture: Image.Image, seconds: int = 8, fps: int = 25) -> None:
    """A slow move over a picture, with a tone."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps)
        video.width, video.height, video.pix_fmt = 720, 1280, "yuv420p"
        video.options = {"crf": "26", "preset": "veryfast", "profile": "high"}
        audio = container.add_stream("aac", rate=48000)
        audio.layout = "stereo"
        for n in range(seconds * fps):
            share = n / (seconds * fps)
            width = 1080 * (1 - 0.22 * share)
            left, top = (1080 - width) * 0.7, (1920 - width * 16 / 9) * 0.4
            image = picture.resize(
                (720, 1280), Image.Resampling.BILINEAR, (left, top, left + width, top + width * 16 / 9)
            )
            container.mux(video.encode(av.VideoFrame.from_image(image)))
        silence = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
        for plane in silence.planes:
            plane.update(bytes(plane.buffer_size))
        for n in range(seconds * 48000 // 1024):
            silence.pts, silence.sample_rate = n * 1024, 48000
            container.mux(audio.encode(silence))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


if __name__ == "__main__":
    folder, wanted = Path(sys.argv[1]), sys.argv[2:] or [*SCENES, "clip"]
    folder.mkdir(parents=True, exist_ok=True)
    for name in wanted:
        if name == "clip":
            clip(folder / "clip.mp4", alps())
        else:
            SCENES[name]().save(folder / f"{name}.jpg", quality=90)

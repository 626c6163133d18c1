"""Transcode a photo: first image, EXIF rotation applied, sRGB, without metadata, with a poster."""

import contextlib
import io
import warnings
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageCms

from stories_ingest.domain.errors import MediaRefused
from stories_ingest.domain.media import Media, MediaPart, Rendition
from stories_ingest.media.limits import MediaLimits
from stories_ingest.media.png_chunks import stripped
from stories_ingest.media.posters import POSTER_SIDE, save_poster
from stories_ingest.media.sniffing import PhotoFormat
from stories_ingest.media.tone_mapping import to_srgb

_JPEG_QUALITY, _WEBP_QUALITY = 90, 90
# The encoders' limits; larger images are downscaled.
_JPEG_SIDE, _WEBP_SIDE = 65_500, 16_383
_FAST_WEBP_PIXELS = 8_000_000  # above: method 1, five times as fast for a few percent more bytes
_WEBP_PIXELS = 50_000_000  # more may overflow the first partition
_SMALLER_TRIES = 3
_PLUGINS = {"JPEG": ("JPEG", "MPO"), "PNG": ("PNG",), "WEBP": ("WEBP",), "AVIF": ("AVIF",), "HEIF": ("HEIF",)}
_ORIENTATION = 0x0112  # the tag
_TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ALPHA = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})


def make_photo(
    source: Path, form: PhotoFormat, bounds: MediaLimits, into: Path, progress: Callable[[float], None]
) -> MediaPart:
    """Write `part-1.jpg` and smaller ones (`.webp` with transparency) and `poster-1.jpg`. Raises `MediaRefused`."""
    Image.MAX_IMAGE_PIXELS = bounds.max_pixels_photo
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    try:
        image = _open(source, form)
        progress(0.1)
        image.load()
        upright = _upright(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaRefused("too_large", str(error)) from None
    except (MediaRefused, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001  (decoders raise arbitrary exceptions)
        raise MediaRefused("damaged", repr(error)[:500]) from None
    progress(0.4)
    return save_photo(_in_srgb(upright), bounds, into, progress)


def save_photo(image: Image.Image, bounds: MediaLimits, into: Path, progress: Callable[[float], None]) -> MediaPart:
    """Write the renditions and the poster of an upright sRGB image (L, RGB or RGBA), which is changed."""
    image.info.clear()  # encoders would write this metadata
    sides = list(bounds.max_photo_sides) if bounds.renditions else [max(image.size)]
    renditions: list[Rendition] = []
    for side in sides:
        if not renditions or max(image.size) > side:
            image.thumbnail((side, side), Image.Resampling.LANCZOS)
            renditions.append(_save(image, into / f"part-{len(renditions) + 1}"))
        progress(0.4 + 0.5 * len(renditions) / len(sides))
    poster = into / "poster-1.jpg"
    preview = save_poster(_flattened(image), poster)
    best = renditions[0]
    media = Media(
        kind="photo",
        key=best.key,
        poster_key=poster.name,
        content_type=best.content_type,
        size=best.size,
        width=best.width,
        height=best.height,
        duration_ms=None,
        has_audio=False,
        renditions=tuple(renditions),
        preview=preview,
    )
    return MediaPart(media=media)


def _open(source: Path, form: PhotoFormat) -> Image.Image:
    """Read the header with the sniffed format's decoder, which checks `MAX_IMAGE_PIXELS`."""
    if form == "HEIF":
        import pillow_heif  # takes 50 ms, only needed here

        pillow_heif.options.DECODE_THREADS = 2
        pillow_heif.options.THUMBNAILS = False
        pillow_heif.options.AUX_IMAGES = False
        pillow_heif.options.DEPTH_IMAGES = False
        pillow_heif.register_heif_opener()
    return Image.open(stripped(source) if form == "PNG" else source, formats=_PLUGINS[form])


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation. Other EXIF tags are ignored, valid or not."""
    try:
        transpose = _TRANSPOSES.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001  (EXIF parsers raise arbitrary exceptions)
        transpose = None
    return image if transpose is None else image.transpose(transpose)


def _in_srgb(image: Image.Image) -> Image.Image:
    """Convert to 8-bit sRGB (or RGBA, or grey without a profile) with the embedded ICC profile."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I") or image.mode == "F":
        image = (
            image.point(lambda level: level / 256).convert("L") if image.mode.startswith("I;16") else image.convert("L")
        )
    if image.mode == "P" or "transparency" in image.info:
        image = image.convert(
            "RGBA" if "transparency" in image.info or (image.palette and image.palette.mode == "RGBA") else "RGB"
        )
    alpha = image.getchannel("A") if image.mode in _ALPHA else None
    if image.mode not in {"L", "RGB", "CMYK"}:
        image = image.convert("L" if image.mode in {"1", "LA", "La"} else "RGB")
    if profile:
        image = _converted(image, profile)
    elif image.mode == "RGB" and (nclx := image.info.get("nclx_profile")):  # HEIC without an ICC profile
        image = to_srgb(image, nclx["transfer_characteristics"], nclx["color_primaries"])
    if image.mode == "CMYK":
        image = image.convert("RGB")
    if alpha is not None and alpha.getextrema()[0] != 255:
        image = image.convert("RGB")
        image.putalpha(alpha)
    return image


def _converted(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert from the ICC profile to sRGB; unchanged if the profile is broken or does not fit the mode."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC, outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )  # fmt: skip
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    return converted or image


def _save(image: Image.Image, path: Path) -> Rendition:
    """Write the image: JPEG, or WebP with transparency. The suffix is added to the path."""
    path, content_type = _save_webp(image, path) if image.mode == "RGBA" else _save_jpeg(image, path)
    width, height = image.size
    return Rendition(key=path.name, content_type=content_type, size=path.stat().st_size, width=width, height=height)


def _save_webp(image: Image.Image, path: Path) -> tuple[Path, str]:
    side = min(_WEBP_SIDE, int(max(image.size) * min(1.0, _WEBP_PIXELS / (image.width * image.height)) ** 0.5))
    image.thumbnail((side, side))
    path = path.with_suffix(".webp")
    effort = 4 if image.width * image.height <= _FAST_WEBP_PIXELS else 1
    for _ in range(_SMALLER_TRIES):
        with contextlib.suppress(ValueError):  # it may still overflow
            image.save(path, "WEBP", quality=_WEBP_QUALITY, method=effort)
            break
        image.thumbnail((image.width * 3 // 4, image.height * 3 // 4))
    return path, "image/webp"


def _save_jpeg(image: Image.Image, path: Path) -> tuple[Path, str]:
    image.thumbnail((_JPEG_SIDE, _JPEG_SIDE))
    path = path.with_suffix(".jpg")
    image.save(path, "JPEG", quality=_JPEG_QUALITY, progressive=True)
    return path, "image/jpeg"


def _flattened(image: Image.Image) -> Image.Image:
    """Flatten onto white for a JPEG poster; downscaled first."""
    image.thumbnail((2 * POSTER_SIDE, 2 * POSTER_SIDE))
    if image.mode != "RGBA":
        return image
    background = Image.new("RGB", image.size, "white")
    background.paste(image, mask=image.getchannel("A"))
    return background

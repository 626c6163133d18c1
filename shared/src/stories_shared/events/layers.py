"""The layers of a story: one union of kinds for requests, events and schemas.

`parse_layers` reads what a client sends, strictly. `layer_of` reads one layer of an event: fields of a later release
are ignored, and layers of stories from before the kinds had fields of their own are skipped.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType, structs

from stories_shared.events.ids import USER_ID, new_id

MAX_LAYERS = 50
MAX_LAYERS_BYTES = 32_768
"""All layers of a story together, as JSON."""
MAX_TAG = 100
MAX_DERIVED = 100
"""Hashtags, and mentions, of one story: those of 50 layers and as many of the caption."""
A_DAY_MS = 86_400_000

SPACE = r"\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""The characters that trimming removes, for a pattern: its `\\s` is another one in every dialect."""
NOT_BLANK = rf"^[^\x00]*[^\x00{SPACE}][^\x00]*\Z"
ANY_TEXT = r"^[^\x00]*\Z"
HTTPS_URL = (
    r"^https://(?:[^\x00-\x20\x7f/@?#\\:\[\]]+|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?(?:[/?#][^\x00-\x20\x7f\\]*)?\Z"
)
COLOR = r"^#[0-9A-Fa-f]{6}(?:[0-9A-Fa-f]{2})?\Z"

Share = Annotated[float, Meta(ge=0, le=1, description="share of the picture's width or height")]
Color = Annotated[str, Meta(pattern=COLOR, description="#RRGGBB or #RRGGBBAA")]
HttpsUrl = Annotated[str, Meta(max_length=2_048, pattern=HTTPS_URL, description="https, without credentials")]
Mentioned = Annotated[str, Meta(pattern=USER_ID)]
Question = Annotated[str, Meta(max_length=200, pattern=ANY_TEXT)]
Option = Annotated[str, Meta(min_length=1, max_length=80, pattern=NOT_BLANK)]
Options = Annotated[tuple[Option, ...], Meta(min_length=2, max_length=4)]
SoundId = Annotated[str, Meta(min_length=1, max_length=128, pattern=NOT_BLANK)]
Name300 = Annotated[str, Meta(max_length=300, pattern=ANY_TEXT)]


class LayerFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Something laid over the media: its frame, and the fields of its kind. A field that was not sent is left out."""

    texts: ClassVar[tuple[str, ...]] = ()
    """Fields that are normalised to NFC and trimmed before their length counts."""

    id: Annotated[str, Meta(min_length=1, max_length=128)] | UnsetType = UNSET
    x: Share
    y: Share
    w: Share
    h: Share
    rotation: Annotated[float, Meta(ge=-180, le=180, description="degrees, clockwise")] = 0
    z: Annotated[int, Meta(ge=-(2**31), lt=2**31, description="higher ones lie above lower ones")] = 0


class TextLayer(LayerFrame, frozen=True, kw_only=True, tag="text"):
    """Styled text."""

    texts: ClassVar[tuple[str, ...]] = ("text",)

    text: Annotated[str, Meta(min_length=1, max_length=500, pattern=NOT_BLANK)]
    font: Literal["classic", "modern", "neon", "typewriter", "strong"] | UnsetType = UNSET
    color: Color | UnsetType | None = UNSET
    background: Color | UnsetType | None = UNSET
    align: Literal["left", "center", "right"] | UnsetType = UNSET


class CaptionLayer(LayerFrame, frozen=True, kw_only=True, tag="caption"):
    """A caption within the picture."""

    texts: ClassVar[tuple[str, ...]] = ("text",)

    text: Annotated[str, Meta(min_length=1, max_length=2_200, pattern=NOT_BLANK)]


class StickerLayer(LayerFrame, frozen=True, kw_only=True, tag="sticker"):
    """A sticker of the client's own set."""

    texts: ClassVar[tuple[str, ...]] = ("sticker_id",)

    sticker_id: SoundId


class MentionLayer(LayerFrame, frozen=True, kw_only=True, tag="mention"):
    """A user."""

    user_id: Mentioned


class HashtagLayer(LayerFrame, frozen=True, kw_only=True, tag="hashtag"):
    """A hashtag without its `#`, kept as written: letters, marks, digits and `_`, not only digits."""

    texts: ClassVar[tuple[str, ...]] = ("tag",)

    tag: Annotated[str, Meta(min_length=1, max_length=MAX_TAG)]


class LinkLayer(LayerFrame, frozen=True, kw_only=True, tag="link"):
    """A link."""

    texts: ClassVar[tuple[str, ...]] = ("title",)

    url: HttpsUrl
    title: Annotated[str, Meta(max_length=100, pattern=ANY_TEXT)] | UnsetType | None = UNSET


class PollLayer(LayerFrame, frozen=True, kw_only=True, tag="poll"):
    """A poll."""

    texts: ClassVar[tuple[str, ...]] = ("question", "options")

    question: Question
    options: Options


class QuizLayer(LayerFrame, frozen=True, kw_only=True, tag="quiz"):
    """A poll with one right option. `correct` is its index; no viewer's item has it."""

    texts: ClassVar[tuple[str, ...]] = ("question", "options")

    question: Question
    options: Options
    correct: Annotated[int, Meta(ge=0, le=3)]


class QuestionLayer(LayerFrame, frozen=True, kw_only=True, tag="question"):
    """A question that viewers answer with text."""

    texts: ClassVar[tuple[str, ...]] = ("prompt",)

    prompt: Annotated[str, Meta(min_length=1, max_length=200, pattern=NOT_BLANK)]


class PromoCodeLayer(LayerFrame, frozen=True, kw_only=True, tag="promo_code"):
    """A code to copy."""

    texts: ClassVar[tuple[str, ...]] = ("code", "terms")

    code: Annotated[str, Meta(min_length=1, max_length=64, pattern=NOT_BLANK)]
    terms: Annotated[str, Meta(max_length=500, pattern=ANY_TEXT)] | UnsetType | None = UNSET
    url: HttpsUrl | UnsetType | None = UNSET


class MusicLayer(LayerFrame, frozen=True, kw_only=True, tag="music"):
    """The title of a song and the part of it that plays."""

    texts: ClassVar[tuple[str, ...]] = ("title", "artist", "sound_id")

    title: Name300
    artist: Name300
    sound_id: SoundId | UnsetType | None = UNSET
    start_ms: Annotated[int, Meta(ge=0, le=A_DAY_MS)]
    length_ms: Annotated[int, Meta(ge=0, le=60_000)]


class EffectLayer(LayerFrame, frozen=True, kw_only=True, tag="effect"):
    """An effect of the client's own set."""

    texts: ClassVar[tuple[str, ...]] = ("name",)

    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=NOT_BLANK)]
    intensity: Share


AnyLayer: TypeAlias = (
    TextLayer
    | CaptionLayer
    | StickerLayer
    | MentionLayer
    | HashtagLayer
    | LinkLayer
    | PollLayer
    | QuizLayer
    | QuestionLayer
    | PromoCodeLayer
    | MusicLayer
    | EffectLayer
)
KINDS: dict[str, type[LayerFrame]] = {str(kind.__struct_config__.tag): kind for kind in AnyLayer.__args__}
"""The structs by the name of their kind."""


class LayerError(ValueError):
    """A layer is wrong; `path` leads from the list of layers to the field."""

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


def parse_layers(sent: Sequence[Any]) -> tuple[AnyLayer, ...]:
    """The layers that a client sent, each with a new id.

    Raises:
        LayerError: one has a wrong or an unknown field, or they are too many or too large together.
    """
    if len(sent) > MAX_LAYERS:
        raise LayerError(f"a story has at most {MAX_LAYERS} layers")
    layers = tuple(_parse(layer, number) for number, layer in enumerate(sent))
    if len(msgspec.json.encode(layers)) > MAX_LAYERS_BYTES:
        raise LayerError("all layers of a story together have at most 32 KiB")
    return layers


def layer_of(stored: Mapping[str, Any]) -> AnyLayer | None:
    """One layer of an event; None for one of an earlier release that its kind does not allow."""
    try:
        layer: AnyLayer = msgspec.convert(stored, AnyLayer)
    except (msgspec.ValidationError, RecursionError):
        return None
    return layer if fault_of(layer) is None else None


def hashtags_of(caption: str | None, layers: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The hashtags of layers and caption as they are searched for: NFKC, case-folded, once each."""
    written = [layer.tag for layer in map(layer_of, layers) if isinstance(layer, HashtagLayer)]
    written += [match.group(1) for match in IN_CAPTION["#"].finditer(caption or "")]
    folded = [folded_tag(_tag_at_start(tag)) for tag in written]
    return tuple(dict.fromkeys(tag for tag in folded if tag is not None))[:MAX_DERIVED]


def mentions_of(caption: str | None, layers: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The users whom layers and caption mention, once each. Punctuation after a name in a caption is not part of it."""
    named = [layer.user_id for layer in map(layer_of, layers) if isinstance(layer, MentionLayer)]
    named += [match.group(1).rstrip(PUNCTUATION) for match in IN_CAPTION["@"].finditer(caption or "")]
    return tuple(dict.fromkeys(named))[:MAX_DERIVED]


def folded_tag(tag: str) -> str | None:
    """A hashtag as it is searched for; None when it is none."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", tag).casefold())
    whole = all(map(is_tag_character, folded)) and not all(unicodedata.category(each) == "Nd" for each in folded)
    return folded if 1 <= len(folded) <= MAX_TAG and whole else None


def is_tag_character(character: str) -> bool:
    """Whether a hashtag may have it: a letter, a mark, a digit or `_`."""
    category = unicodedata.category(character)
    return character == "_" or category[0] in "LM" or category == "Nd"


def fault_of(layer: AnyLayer) -> tuple[str, str] | None:
    """The field that is wrong beyond its type and bounds, and why."""
    if isinstance(layer, HashtagLayer) and not (all(map(is_tag_character, layer.tag)) and folded_tag(layer.tag)):
        return "tag", "a hashtag has letters, marks, digits and _, and not only digits"
    if isinstance(layer, QuizLayer) and layer.correct >= len(layer.options):
        return "correct", "correct is the index of an option"
    return None


def schema() -> list[dict[str, Any]]:
    """The JSON Schemas of all kinds as they are stored, without references."""
    _, found = msgspec.json.schema_components([AnyLayer], ref_template="{name}")
    return [found[kind.__name__] for kind in KINDS.values()]


PUNCTUATION = "_.:@|+~-"
IN_CAPTION = {
    "#": re.compile(r"(?<![\w#&/])#([^\s#]+)"),
    "@": re.compile(r"(?<![\w@.+-])@([A-Za-z0-9][A-Za-z0-9_.:@|+~-]{0,127})"),
}
PATH = re.compile(r" - at `\$(.*)`\Z", re.DOTALL)
STEP = re.compile(r"\[(\d+)\]|\.([A-Za-z_]+)")
FIELD = re.compile(r"\AObject missing required field `([^`]{1,100})`")


def _parse(sent: Any, number: int) -> AnyLayer:
    if not isinstance(sent, dict):
        raise LayerError("an object is expected", number)
    kind = KINDS.get(sent["kind"]) if isinstance(sent.get("kind"), str) else None
    if kind is None:
        raise LayerError(f"must be one of {', '.join(KINDS)}", number, "kind")
    known = {"kind", *kind.__struct_fields__} - {"id"}
    if unknown := next((name for name in sent if name not in known), None):
        raise LayerError("unknown field", number, unknown)
    normal = {name: _normalised(value) if name in kind.texts else value for name, value in sent.items()}
    try:
        layer: Any = msgspec.convert(normal, kind)
    except msgspec.ValidationError as error:
        raise LayerError(_message(error), number, *_path(str(error))) from error
    if fault := fault_of(layer):
        raise LayerError(fault[1], number, fault[0])
    stored: AnyLayer = structs.replace(layer, id=new_id())
    return stored


def _normalised(value: Any) -> Any:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value).strip()
    return [_normalised(each) for each in value] if isinstance(value, list) else value


def _message(error: msgspec.ValidationError) -> str:
    message = PATH.sub("", str(error))
    if FIELD.match(message):
        return "a required field is missing"
    return message.partition(" matching regex ")[0] + " of another form" if " matching regex " in message else message


def _path(message: str) -> list[str | int]:
    """The steps of msgspec's path, `$.options[0]`, and the field that is missing."""
    found = PATH.search(message)
    steps: list[str | int] = [
        int(step.group(1)) if step.group(1) else step.group(2)
        for step in STEP.finditer(found.group(1) if found else "")
    ]
    field = FIELD.match(message)
    return [*steps, field.group(1)] if field else steps


def _tag_at_start(text: str) -> str:
    """The characters of a hashtag that a text starts with."""
    end = next((number for number, each in enumerate(text) if not is_tag_character(each)), len(text))
    return text[:end]

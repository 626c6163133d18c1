"""One reading of the original into the files of all its parts."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from stories_ingest.media.copying import PRIMING, PictureCopier, SoundCopier
from stories_ingest.media.encoding import PictureEncoder, SoundEncoder
from stories_ingest.media.mp4_output import Mp4Output, Writer, open_outputs
from stories_ingest.media.planning import Span
from stories_ingest.media.probe import ProbeResult, packets
from stories_ingest.media.tracks import SOUND_CODECS, Tracks, codec, open_tracks
from stories_ingest.media.types import Container


def write_parts(
    source: Path,
    form: Container,
    found: ProbeResult,
    spans: list[Span],
    paths: list[Path],
    progress: Callable[[float], None],
) -> None:
    """Write each span into its path. Raises what libav raises when a muxer does not take a stream as it is."""
    with open_tracks(source, form) as tracks, ExitStack() as stack:
        sinks = open_outputs(stack, spans, paths)
        picture: Writer
        if spans[0].number is not None and found.copied is not None:
            picture = PictureCopier(tracks.picture, found.copied, sinks)
        else:
            picture = PictureEncoder(tracks.picture, found.look, len(found.times), sinks)
        sound = _sound(tracks, found, sinks)
        size = max(1, tracks.container.size)
        for packet in packets(tracks):
            progress((packet.pos or 0) / size)
            if packet.stream_index == tracks.picture.index:
                picture.take(packet)
            elif sound is not None:
                sound.take(packet)
        picture.finish()
        if sound is not None:
            sound.finish()


def _sound(tracks: Tracks, found: ProbeResult, sinks: list[Mp4Output]) -> Writer | None:
    """The writer of the sound, for those parts in whose time there is any."""
    if tracks.sound is None or found.sounding is None:
        return None
    begins, ends = found.sounding
    heard = [sink for sink in sinks if begins < sink.span.end and ends > sink.span.start]
    if not heard:
        return None
    # More hidden than a decoder needs to get going was cut away by somebody.
    copied = codec(tracks.sound) in SOUND_CODECS and found.hidden_sound <= PRIMING
    return (SoundCopier if copied else SoundEncoder)(tracks.sound, heard)

"""One reading of the original into the files of all its parts."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from stories_ingest.media.copying import PRIMING, AudioCopier, VideoCopier
from stories_ingest.media.encoding import AudioEncoder, VideoEncoder
from stories_ingest.media.mp4_output import Mp4Output, Writer, open_outputs
from stories_ingest.media.planning import Span
from stories_ingest.media.probe import ProbeResult, packets
from stories_ingest.media.tracks import SOUND_CODECS, Tracks, codec, open_tracks
from stories_ingest.media.types import Container


def write_parts(
    source: Path,
    form: Container,
    probed: ProbeResult,
    spans: list[Span],
    paths: list[Path],
    progress: Callable[[float], None],
) -> None:
    """Write each span into its path. Raises what libav raises when a muxer does not take a stream as it is."""
    with open_tracks(source, form) as tracks, ExitStack() as stack:
        outputs = open_outputs(stack, spans, paths)
        picture: Writer
        if spans[0].number is not None and probed.copied is not None:
            picture = VideoCopier(tracks.picture, probed.copied, outputs)
        else:
            picture = VideoEncoder(tracks.picture, probed.display, len(probed.times), outputs)
        sound = _sound(tracks, probed, outputs)
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


def _sound(tracks: Tracks, probed: ProbeResult, outputs: list[Mp4Output]) -> Writer | None:
    """The writer of the sound, for those parts in whose time there is any."""
    if tracks.sound is None or probed.audio_span is None:
        return None
    begins, ends = probed.audio_span
    audible = [output for output in outputs if begins < output.span.end and ends > output.span.start]
    if not audible:
        return None
    # More hidden than a decoder needs to get going was cut away by somebody.
    copied = codec(tracks.sound) in SOUND_CODECS and probed.hidden_audio <= PRIMING
    return (AudioCopier if copied else AudioEncoder)(tracks.sound, audible)

"""Write all parts in one pass over the source."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from stories_ingest.media.copying import PRIMING, AudioCopier, VideoCopier
from stories_ingest.media.encoding import AudioEncoder, VideoEncoder
from stories_ingest.media.mp4_output import Mp4Output, Writer, open_outputs
from stories_ingest.media.planning import Span
from stories_ingest.media.probe import ProbeResult, packets
from stories_ingest.media.tracks import AUDIO_CODECS, Tracks, codec, open_tracks
from stories_ingest.media.types import Container


def write_parts(
    source: Path,
    form: Container,
    probed: ProbeResult,
    spans: list[Span],
    paths: list[Path],
    progress: Callable[[float], None],
) -> None:
    """Write each span to its path. Raises libav's error when a muxer does not accept a stream."""
    with open_tracks(source, form) as tracks, ExitStack() as stack:
        outputs = open_outputs(stack, spans, paths)
        video: Writer
        if spans[0].number is not None and probed.copied is not None:
            video = VideoCopier(tracks.video, probed.copied, outputs)
        else:
            video = VideoEncoder(tracks.video, probed.display, len(probed.times), outputs)
        audio = _audio(tracks, probed, outputs)
        size = max(1, tracks.container.size)
        for packet in packets(tracks):
            progress((packet.pos or 0) / size)
            if packet.stream_index == tracks.video.index:
                video.write(packet)
            elif audio is not None:
                audio.write(packet)
        video.finish()
        if audio is not None:
            audio.finish()


def _audio(tracks: Tracks, probed: ProbeResult, outputs: list[Mp4Output]) -> Writer | None:
    """The audio writer, for the parts whose time span has audio."""
    if tracks.audio is None or probed.audio_span is None:
        return None
    begins, ends = probed.audio_span
    audible = [output for output in outputs if begins < output.span.end and ends > output.span.start]
    if not audible:
        return None
    # More hidden audio than decoder priming was cut deliberately.
    copied = codec(tracks.audio) in AUDIO_CODECS and probed.hidden_audio <= PRIMING
    return (AudioCopier if copied else AudioEncoder)(tracks.audio, audible)

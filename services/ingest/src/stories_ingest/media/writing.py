"""Write all parts in one pass over the source."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from av.audio.stream import AudioStream

from stories_ingest.domain.media import AUDIO_CODECS
from stories_ingest.media.copying import PRIMING, AudioCopier, VideoCopier
from stories_ingest.media.encoding import AudioEncoder, VideoEncoder
from stories_ingest.media.limits import MediaLimits
from stories_ingest.media.mp4_output import Mp4Output, Writer, open_outputs
from stories_ingest.media.planning import Span
from stories_ingest.media.playable import sound_plays_everywhere, target
from stories_ingest.media.probe import ProbeResult, packets
from stories_ingest.media.sniffing import Container
from stories_ingest.media.tracks import Tracks, codec, open_tracks


def write_parts(
    source: Path,
    form: Container,
    probed: ProbeResult,
    spans: list[Span],
    paths: list[Path],
    bounds: MediaLimits,
    progress: Callable[[float], None],
    short_side: int | None = None,
) -> None:
    """Write each span to its path, encoded for a `short_side` if that is given.

    Raises libav's error when a muxer does not accept a stream.
    """
    with open_tracks(source, form, fast=True) as tracks, ExitStack() as stack:
        outputs = open_outputs(stack, spans, paths)
        video: Writer
        copied = probed.copied if spans[0].number is not None and short_side is None else None
        if copied is not None:
            video = VideoCopier(tracks.video, copied, outputs)
        else:
            picture = target(probed.display, probed.fps, short_side or bounds.largest)
            video = VideoEncoder(tracks.video, probed.display, picture, len(probed.times), outputs, paths[0].parent)
        audio = _audio(tracks, probed, outputs, bounds, is_original=copied is not None)
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


def _audio(
    tracks: Tracks, probed: ProbeResult, outputs: list[Mp4Output], bounds: MediaLimits, *, is_original: bool
) -> Writer | None:
    """The audio writer, for the parts whose time span has audio."""
    if tracks.audio is None or probed.audio_span is None:
        return None
    begins, ends = probed.audio_span
    audible = [output for output in outputs if begins < output.span.end and ends > output.span.start]
    if not audible:
        return None
    # More hidden audio than decoder priming was cut deliberately.
    copied = _is_kept(tracks.audio, bounds, is_original=is_original) and probed.hidden_audio <= PRIMING
    return (AudioCopier if copied else AudioEncoder)(tracks.audio, audible)


def _is_kept(audio: AudioStream, bounds: MediaLimits, *, is_original: bool) -> bool:
    """Whether the audio need not be encoded. Beside encoded video it is stereo."""
    if not bounds.renditions:
        return codec(audio) in AUDIO_CODECS
    return sound_plays_everywhere(audio) and (is_original or audio.codec_context.channels == 2)

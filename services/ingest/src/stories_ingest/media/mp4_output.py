"""MP4 output files of the parts."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import av
from av.container import OutputContainer
from av.container.core import Flags
from av.packet import Packet

from stories_ingest.media.planning import Span

_OPTIONS = {"movflags": "+faststart", "strict": "unofficial"}  # unofficial: for the Dolby Vision box


@dataclass(slots=True)
class Mp4Output:
    """The output file of one part, and its time span in the source."""

    container: OutputContainer
    span: Span
    writers: int = 0  # that are not finished

    def release(self) -> None:
        """Called by each writer when it is finished. The last call closes the file and frees the encoders' memory."""
        self.writers -= 1
        if not self.writers:
            self.container.close()


class Writer(Protocol):
    """Writes one source track to the parts. Its constructor adds a stream to each output and registers as a writer."""

    def write(self, packet: Packet[Any]) -> None:
        """Write a source packet; packets come in decoding order."""

    def finish(self) -> None:
        """Flush; no more packets follow."""


def open_outputs(stack: ExitStack, spans: list[Span], paths: list[Path]) -> list[Mp4Output]:
    """Open an MP4 per span: no metadata, no creation time, `moov` first. The stack closes them."""
    outputs = []
    for span, path in zip(spans, paths, strict=True):
        container = stack.enter_context(av.open(str(path), "w", format="mp4", container_options=_OPTIONS))
        container.flags |= cast("int", Flags.bitexact.value)
        outputs.append(Mp4Output(container, span))
    return outputs

"""The MP4 files of the parts, as they are written."""

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

_OPTIONS = {"movflags": "+faststart", "strict": "unofficial"}  # unofficial: the box of Dolby Vision


@dataclass(slots=True)
class Mp4Output:
    """One part being written: its file and what of the original goes into it."""

    container: OutputContainer
    span: Span
    writers: int = 0  # that have not finished with it

    def release(self) -> None:
        """A writer has given all it has. The last one closes the file, so that its encoders' memory is free early."""
        self.writers -= 1
        if not self.writers:
            self.container.close()


class Writer(Protocol):
    """One track of the original on its way into the parts. Its making adds a stream to every sink, itself as writer."""

    def take(self, packet: Packet[Any]) -> None:
        """A packet of the original, in decoding order."""

    def finish(self) -> None:
        """No more packets come."""


def open_outputs(stack: ExitStack, spans: list[Span], paths: list[Path]) -> list[Mp4Output]:
    """A bare MP4 for each span: no tags, no times of making, the index in front. Closed with the stack."""
    outputs = []
    for span, path in zip(spans, paths, strict=True):
        container = stack.enter_context(av.open(str(path), "w", format="mp4", container_options=_OPTIONS))
        container.flags |= cast("int", Flags.bitexact.value)
        outputs.append(Mp4Output(container, span))
    return outputs

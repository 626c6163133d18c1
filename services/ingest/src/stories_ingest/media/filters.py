"""Filter graph from decoded frames to the frames of a rendition: scaled, in BT.709, 8 bits, upright."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from av.filter import Graph
from av.filter.context import FilterContext
from av.video.format import VideoFormat
from av.video.frame import VideoFrame

from stories_ingest.media.display import DisplayFormat
from stories_ingest.media.playable import Target
from stories_ingest.media.tone_mapping import lookup_table, write_cube

_THREADS = 2
_TIME_BASE = Fraction(1, 1000)  # any would do
_FULL = 2  # colour range, as libav numbers it
_HD_HEIGHT = 720
# Matrix coefficients (ITU-T H.273) as the scale filter calls them. 2 is unspecified: players guess by the height.
_MATRICES = {1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}

# The filters of each number of quarter turns clockwise.
_TURNS: dict[int, list[tuple[str, str]]] = {
    0: [],
    1: [("transpose", "clock")],
    2: [("hflip", ""), ("vflip", "")],
    3: [("transpose", "cclock")],
}


class FrameConverter:
    """Converts frames. The graph is built for the first frame, and again when size or format of the frames changes."""

    def __init__(self, display: DisplayFormat, target: Target, folder: Path) -> None:
        self._display, self._target, self._folder = display, target, folder
        self._graph: Graph | None = None
        self._input: tuple[int, int, str] | None = None

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        """The frame as it is encoded, without a time."""
        form = frame.width, frame.height, frame.format.name
        if self._graph is None or form != self._input:
            self._graph, self._input = self._build(frame), form
        frame.pts = 0  # the filters have no use for times
        self._graph.vpush(frame)
        return self._graph.vpull()

    def _build(self, frame: VideoFrame) -> Graph:
        display, target = self._display, self._target
        graph = Graph()
        graph.threads = _THREADS
        source = graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=VideoFormat(frame.format.name),
            time_base=_TIME_BASE,
        )
        width, height = (target.height, target.width) if display.is_rotated else (target.width, target.height)
        colour_range, primaries, transfer, matrix = display.colours
        scaling = {
            "w": str(width),
            "h": str(height),
            "flags": "bicubic+accurate_rnd",
            "in_color_matrix": _MATRICES.get(matrix, "bt709" if frame.height >= _HD_HEIGHT else "bt601"),
            "in_range": "full" if colour_range == _FULL or frame.format.name.startswith("yuvj") else "limited",
        }
        to_bt709 = {"out_color_matrix": "bt709", "out_range": "limited"}
        table = lookup_table(transfer, primaries)
        steps: list[FilterContext] = [source]
        if table is None:
            steps.append(graph.add("scale", **scaling, **to_bt709))
        else:
            cube = self._folder / "tone-mapping.cube"
            write_cube(table, cube)
            steps += [
                graph.add("scale", **scaling, out_range="full"),
                graph.add("format", "gbrp10le"),
                graph.add("lut3d", file=str(cube), interp="tetrahedral"),
                graph.add("scale", **to_bt709),
            ]
        steps.append(graph.add("format", "yuv420p"))
        is_mirrored, turns = display.turns
        for name, argument in [("hflip", "")] * is_mirrored + _TURNS[turns]:
            steps.append(graph.add(name, argument))
        graph.link_nodes(*steps, graph.add("buffersink")).configure()
        return graph

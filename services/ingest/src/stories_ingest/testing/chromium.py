"""Play files in a real Chromium, and read what it shows."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
GRID = 8
"""Cells of the grid along each side of a picture; each reads its average colour."""

_PAGE = """<!doctype html><body><script>
const grid = GRID;
function load(name, ready) {
  const video = document.createElement("video");
  video.muted = true;
  video.preload = "auto";
  return new Promise((done, failed) => {
    video.onerror = () => failed(new Error(video.error.message || String(video.error.code)));
    ready(video, () => done(video));
    video.src = name;
  });
}
async function play({name, type}) {
  // Two elements: a player that waits before it plays may release its frames, and decode and count them again.
  const played = await load(name, (video, done) => { video.autoplay = true; video.onended = done; });
  const shown = await load(name, (video, done) => {
    document.body.replaceChildren(video);
    video.requestVideoFrameCallback(done);  // once a frame can be drawn; `loadeddata` may come before that
  });
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = grid;
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(shown, 0, 0, grid, grid);
  return {name, canPlay: played.canPlayType(type), width: played.videoWidth, height: played.videoHeight,
          frames: played.getVideoPlaybackQuality().totalVideoFrames,
          pixels: Array.from(pen.getImageData(0, 0, grid, grid).data)};
}
(async () => {
  for (const file of FILES) {
    let answer;
    try { answer = await play(file); } catch (error) { answer = {name: file.name, error: String(error)}; }
    await fetch("/answer", {method: "POST", body: JSON.stringify(answer)});
  }
})();
</script>"""


@dataclass(frozen=True, slots=True)
class Played:
    """What Chromium says of a file: `canPlayType`, displayed size, decoded frames, and the first frame's grid."""

    can_play: str
    width: int
    height: int
    frames: int
    pixels: Sequence[tuple[int, int, int]]


def play(folder: Path, types: Mapping[str, str], timeout_s: float = 120) -> dict[str, Played | str]:
    """Play the files of a folder one after the other; for each, what Chromium shows, or its error.

    `types` are the content types with `codecs`, by the names of the files. Raises queue.Empty on timeout.
    """
    assert CHROMIUM is not None, "there is no Chromium"
    files = json.dumps([{"name": name, "type": kind} for name, kind in types.items()])
    (folder / "page.html").write_text(_PAGE.replace("GRID", str(GRID)).replace("FILES", files))
    answers: Queue[dict[str, Any]] = Queue()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, answers, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as profile:
        address = f"http://127.0.0.1:{server.server_address[1]}/page.html"
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
        browser = subprocess.Popen(  # noqa: S603  (a program of this machine)
            [CHROMIUM, *options, f"--user-data-dir={profile}", address],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            found = [answers.get(timeout=timeout_s) for _ in types]
        finally:
            browser.terminate()
            browser.wait()
            server.shutdown()
            server.server_close()
    return {answer["name"]: answer.get("error") or _played(answer) for answer in found}


def _played(answer: dict[str, Any]) -> Played:
    levels = answer["pixels"]
    pixels = [(levels[at], levels[at + 1], levels[at + 2]) for at in range(0, len(levels), 4)]
    return Played(answer["canPlay"], answer["width"], answer["height"], answer["frames"], pixels)


class _Handler(SimpleHTTPRequestHandler):
    """Serves the folder, and takes the page's answers."""

    def __init__(self, answers: "Queue[dict[str, Any]]", *args: Any, **options: Any) -> None:
        self._answers = answers
        super().__init__(*args, **options)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
        self._answers.put(json.loads(body))

    def log_message(self, *args: Any) -> None:
        """Be quiet."""

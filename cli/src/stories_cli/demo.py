"""`stories demo`: the lifecycle of a story on real servers, from a generated clip to its erasure receipt."""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import httpx
import typer
from rich.progress import BarColumn, Progress, TextColumn

from . import film as filming
from . import target
from .console import abort, info, print_json, stderr, stdout
from .erasure import scan

if TYPE_CHECKING:
    from stories_embedded.data_dir import DataDir

T = TypeVar("T")
LIFETIME_SECONDS = 20
FILMED_SECONDS = 30
CLIP_SECONDS = 5.0
POLL_SECONDS = 0.1
SOON_SECONDS = 20.0
RECEIPT_SECONDS = 30.0
ANSWER_SECONDS = 35.0  # longer than `?wait=30`
WAIT_FOR_MEDIA = 30
FRAME = {"x": 0.1, "w": 0.8, "h": 0.1}
LAYERS = [
    {"kind": "text", **FRAME, "y": 0.2, "text": "good morning", "font": "neon", "align": "center"},
    {"kind": "poll", **FRAME, "y": 0.6, "question": "Coffee?", "options": ["yes", "no"]},
]


class DemoFailed(Exception):
    """A step of the demo failed."""


def demo(
    lifetime: Annotated[
        int, typer.Option(min=10, max=120, metavar="SECONDS", help="Lifetime of the story in seconds.")
    ] = LIFETIME_SECONDS,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the data folder afterwards.")] = False,
    film: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Show it in the web client instead, on two phones side by side, and record that as .mp4 or .webp. "
            f"Needs Chromium and Node; the story lives {FILMED_SECONDS} s or longer.",
        ),
    ] = None,
) -> None:
    """Post a real clip, watch it, react, comment, wait until it expires, verify its erasure and print the receipt."""
    began = time.monotonic()
    if film:
        target.folder(Path.cwd())
        filming.check(film)
        lifetime = max(lifetime, FILMED_SECONDS)
    try:
        with (
            stack(f"{lifetime}s,24h" if film else f"{lifetime}s", keep=keep) as (url, folder),
            tempfile.TemporaryDirectory() as scratch,
        ):
            scenario = DemoScenario(url, folder, Path(scratch), lifetime)
            receipt = scenario.filmed(film) if film else scenario.run()
    except (DemoFailed, filming.NotFilmed, httpx.HTTPError) as error:
        abort(f"the demo stopped: {error}")
    print_json(receipt)
    info(f"the demo took {time.monotonic() - began:.0f} s")


@contextmanager
def stack(lifetimes: str, *, keep: bool) -> Iterator[tuple[str, "DataDir"]]:
    """A stack on free ports and a temporary data folder, which is removed afterwards."""
    target.folder(Path.cwd())  # ends the command without an embedded stack, before anything is written
    folder = target.folder(Path(tempfile.mkdtemp(prefix=".stories-demo-", dir=Path.cwd())))
    from stories_embedded import daemon
    from stories_embedded.paths import NotInstalled
    from stories_embedded.server import DidNotStart

    arguments = ["--data", str(folder.path), "--gateway-port", "0", "--lifetimes", lifetimes]
    try:
        with step("Kafka, MongoDB, S3, four services and the gateway run"):
            url = daemon.launch(folder, arguments).url
        yield url, folder
    except (DidNotStart, NotInstalled) as error:
        abort(str(error))
    finally:
        daemon.stop(folder)
        if keep:
            info(f"the data folder is {folder.path}")
        else:
            shutil.rmtree(folder.path, ignore_errors=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Show a step while it runs, then its duration."""
    began = time.monotonic()
    with stderr.status(what):
        yield
    stdout.print(f"[green]✓[/green] {what} [dim]{time.monotonic() - began:.1f} s[/dim]")


def until(condition: Callable[[], T | None], what: str, seconds: float = SOON_SECONDS) -> T:
    """Poll until the condition returns a value.

    Raises DemoFailed.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (found := condition()) is not None:
            return found
        time.sleep(POLL_SECONDS)
    raise DemoFailed(f"{what}: not within {seconds:.0f} s")


class Person:
    """A user with a token at the gateway."""

    def __init__(self, url: str, token: str) -> None:
        self._client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=ANSWER_SECONDS, trust_env=False
        )

    def ask(self, method: str, path: str, *expected: int, **more: Any) -> Any:
        """The JSON of a response.

        Raises DemoFailed if the status is not expected.
        """
        answer = self._client.request(method, path, **more)
        if answer.status_code not in (expected or (200,)):
            raise DemoFailed(f"{method} {path} answered {answer.status_code}: {answer.text[:500]}")
        return answer.json() if answer.content else None

    def status(self, path: str) -> int:
        """The status of a GET."""
        return self._client.get(path).status_code


class DemoScenario:
    """The steps of the demo."""

    def __init__(self, url: str, folder: "DataDir", scratch: Path, lifetime: int) -> None:
        from stories_embedded.keys import StackKeys

        keys = StackKeys(folder.keys)
        self.ann, self.bob = (Person(url, keys.token(name)) for name in ("ann", "bob"))
        self.outside = httpx.Client(timeout=ANSWER_SECONDS, trust_env=False)
        self.url, self.folder, self.scratch, self.lifetime = url, folder, scratch, lifetime

    def run(self) -> Any:
        """Run all steps; returns the receipt."""
        self.bob.ask("PUT", "/v1/following/ann", 204)
        story = self.post()
        item = self.find(story["id"])
        self.engage(story["id"], item)
        self.count(story["id"])
        self.wait(story)
        self.gone(story["id"], item["media_url"])
        return self.receipt(story["id"])

    def filmed(self, film: Path) -> Any:
        """Run all steps in the web client and record them; returns the receipt."""
        with step("Ann posts, Bob watches, reacts and comments, and the story ends, on two recorded screens"):
            story = filming.shoot(self.url, f"{self.lifetime}s", self.scratch)
        self.gone(story["story"], story["media_url"])
        receipt = self.receipt(story["story"])
        with step(f"the film is cut: {film}"):
            filming.cut(self.scratch, film)
        return receipt

    def post(self) -> Any:
        """Upload and publish a clip with sound, and with place and device in its metadata."""
        from stories_ingest.testing.samples import sample_clip

        with step(f"a clip of {CLIP_SECONDS:.0f} s is made"):
            clip = sample_clip(self.scratch / "clip.mp4", CLIP_SECONDS, phone=True)
        size = clip.stat().st_size
        media = {"content_type": "video/mp4", "size": size}
        asked = {"media": media, "caption": "first light", "layers": LAYERS}
        with step(f"Ann posts it ({size // 1024} KiB) with a text and a poll"):
            draft = self.ann.ask("POST", "/v1/stories", 201, json=asked)
            form = draft["upload"]
            with clip.open("rb") as file:
                answer = self.outside.post(form["url"], data=form["fields"], files={"file": file})
            if answer.status_code not in {200, 201, 204}:
                raise DemoFailed(f"the upload answered {answer.status_code}: {answer.text[:500]}")
            story = self.ann.ask("POST", f"/v1/stories/{draft['id']}/publish?wait={WAIT_FOR_MEDIA}")
            if story["state"] != "live":
                raise DemoFailed(f"the story is {story['state']}")
        return story

    def find(self, story_id: str) -> Any:
        """Find the story in the follower's tray and reel, and load the media."""

        def ring() -> Any:
            tray = self.bob.ask("GET", "/v1/tray")["items"]
            return next((each for each in tray if each["author_id"] == "ann" and each["ring"] == "unseen"), None)

        with step("Bob, who follows Ann, sees the ring in the tray"):
            until(ring, "the tray")
        with step("Bob plays it"):
            reel = self.bob.ask("GET", "/v1/users/ann/stories")["items"]
            item = next((each for each in reel if each["id"] == story_id), None)
            if item is None:
                raise DemoFailed("the reel does not have it")
            media = self.outside.get(item["media_url"])
            if media.status_code != 200 or media.content[4:8] != b"ftyp" or b"iPhone" in media.content:
                raise DemoFailed(f"the media URL answered {media.status_code} with {len(media.content)} bytes")
        shape = (
            f"{item['width']}x{item['height']}, {item['duration_ms'] / 1000:.1f} s, {len(media.content) // 1024} KiB"
        )
        stdout.print(f"  {shape}, without location and camera model, until {item['expires_at']}")
        sizes = ", ".join(f"{each['width']}x{each['height']} {each['codecs']}" for each in item["renditions"])
        stdout.print(f"  renditions: {sizes}; layers: {', '.join(each['kind'] for each in item['layers'])}")
        return item

    def engage(self, story_id: str, item: Any) -> None:
        """View, react, comment and answer the poll."""
        ticket, poll = item["ticket"], next(each for each in item["layers"] if each["kind"] == "poll")
        headers = {"Story-Ticket": ticket}
        view = {"ticket": ticket, "play_id": "demo-play", "watched_ms": int(CLIP_SECONDS * 1000), "completed": True}
        with step("Bob's view counts, Bob reacts, comments and answers the poll"):
            accepted = self.bob.ask("POST", "/v1/views", 202, json={"views": [view]})
            if accepted["accepted"] != 1:
                raise DemoFailed(f"the view was rejected: {accepted['rejected']}")
            self.bob.ask("PUT", f"/v1/stories/{story_id}/reaction", 204, json={"emoji": "❤️"}, headers=headers)
            text = {"text": "what a morning"}
            self.bob.ask("POST", f"/v1/stories/{story_id}/comments", 201, json=text, headers=headers)
            path = f"/v1/stories/{story_id}/answers/{poll['id']}"
            answered = self.bob.ask("PUT", path, 200, json={"option": 0}, headers=headers)
            if answered["tallies"] != [1, 0]:
                raise DemoFailed(f"the poll has {answered['tallies']}")

    def count(self, story_id: str) -> None:
        """Read counts and viewers as the author."""
        expected_counts = {"views": 1, "viewers": 1, "reactions": 1, "comments": 1}

        def counted() -> Any:
            counts = self.ann.ask("GET", f"/v1/stories/{story_id}/counts")
            return counts if expected_counts.items() <= counts.items() else None

        def listed() -> Any:
            viewers = self.ann.ask("GET", f"/v1/stories/{story_id}/viewers")["items"]
            return next((each for each in viewers if (each["viewer_id"], each["reaction"]) == ("bob", "❤️")), None)

        with step("Ann sees who viewed, and the counts"):
            counts, viewer = until(counted, "the counts"), until(listed, "the viewer list")
        stdout.print(f"  {json.dumps(counts)} {viewer['viewer_id']} {viewer['reaction']}")

    def wait(self, story: Any) -> None:
        """Wait until the story expires."""
        ends = datetime.fromisoformat(story["expires_at"])
        columns = (
            TextColumn("waiting until it expires"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} s"),
        )
        with Progress(*columns, console=stderr, transient=True) as progress:
            bar = progress.add_task("", total=self.lifetime)
            while (left := (ends - datetime.now(UTC)).total_seconds()) > 0:
                progress.update(bar, completed=self.lifetime - left)
                time.sleep(min(left, POLL_SECONDS))
        stdout.print(f"[green]✓[/green] it expired after {self.lifetime} s")

    def gone(self, story_id: str, media_url: str) -> None:
        """Check that no read returns the story, and that its media URL stops working."""
        with step("tray, reel, id and media URL no longer return it"):
            if any(each["author_id"] == "ann" for each in self.bob.ask("GET", "/v1/tray")["items"]):
                raise DemoFailed("the tray still lists it")
            if self.bob.ask("GET", "/v1/users/ann/stories")["items"]:
                raise DemoFailed("the reel still lists it")
            if (status := self.bob.status(f"/v1/stories/{story_id}")) != 404:
                raise DemoFailed(f"GET by id returns {status}")
            until(lambda: self.outside.get(media_url).status_code in {403, 404} or None, "the media URL still works")

    def receipt(self, story_id: str) -> Any:
        """Wait for the complete receipt, and verify the erasure."""

        def complete() -> Any:
            path = f"/v1/stories/{story_id}/receipt"
            receipt = self.ann.ask("GET", path, 200, 404)
            return receipt if receipt.get("complete") else None

        with step("every store confirmed its erasure: the receipt is complete"):
            receipt = until(complete, "the receipt", RECEIPT_SECONDS)
        with step("databases and bucket keep only ids, times and counts"):
            found = scan(self.folder.path, None, story_id)
            if not found.erased:
                raise DemoFailed(f"the erasure is incomplete: {found}")
        return receipt

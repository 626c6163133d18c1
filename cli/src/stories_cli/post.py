"""`stories post`: uploads and publishes a photo or clip through the public interface."""

import mimetypes
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NoReturn

import httpx
import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from .api import AsUser, Url, client, problem_of
from .console import USAGE, AsJson, abort, exit_on, info, print_json, stderr, stdout
from .target import DEFAULT_DATA, Data
from .tokens import SigningKey

AUDIENCES = ["everyone", "followers", "friends", "close_friends"]
WAIT_S = 30  # that one publish request waits for the media
UPLOAD_TIMEOUT_S = 60.0  # without any progress
MAX_WAITS = 6
MORE_TYPES = {
    ".mov": "video/quicktime",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".avif": "image/avif",
    ".webp": "image/webp",
    ".webm": "video/webm",
}


def post(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Photo or clip.", exists=True, dir_okay=False)],
    *,
    user: AsUser,
    caption: Annotated[str | None, typer.Option(metavar="TEXT", help="Caption, at most 2,200 characters.")] = None,
    audience: Annotated[
        str, typer.Option(metavar="|".join(AUDIENCES), help="Who sees the story.", autocompletion=lambda: AUDIENCES)
    ] = "everyone",
    lifetime: Annotated[
        str | None, typer.Option(metavar="DURATION", help="One of the installation's lifetimes; by default its first.")
    ] = None,
    url: Url = None,
    signing_key: SigningKey = None,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Upload a photo or clip, publish it and print the live story."""
    kind = MORE_TYPES.get(file.suffix.lower()) or mimetypes.guess_type(file.name)[0]
    if kind is None or not kind.startswith(("image/", "video/")):
        abort(f"{file}: neither a photo nor a clip by its name", USAGE)
    fields: dict[str, Any] = {
        "media": {"content_type": kind, "size": file.stat().st_size},
        "caption": caption,
        "audience": audience,
        **({"lifetime": lifetime} if lifetime else {}),
    }
    with exit_on(httpx.HTTPError), client(data, user, url, signing_key) as http:
        created = http.post("/v1/stories", json=fields, headers={"Idempotency-Key": secrets.token_hex(16)})
        if created.status_code != 201:
            _refused("create", created)
        draft = created.json()
        upload(draft["upload"], file)
        story = publish(http, draft["id"])
    if as_json:
        print_json(story)
        return
    size = f"{story['width']}x{story['height']}" if story.get("width") else kind
    stdout.print(f"{story['id']}  live until {story['expires_at']}  {size}", markup=False)
    info(f"the author sees it as: stories api GET /v1/me/stories/{story['id']} --as {user}")


def upload(form: Mapping[str, Any], file: Path) -> None:
    """Upload the file with the draft's form, with a progress bar."""
    columns = (TextColumn("uploading"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with file.open("rb") as content, Progress(*columns, console=stderr, transient=True) as progress:
        task = progress.add_task("", total=file.stat().st_size)
        body: Any = _Counted(content, lambda number: progress.advance(task, number))
        answer = httpx.post(form["url"], data=form["fields"], files={"file": body}, timeout=UPLOAD_TIMEOUT_S)
    if not answer.is_success:
        abort(f"the object store refused the upload: HTTP {answer.status_code} {answer.text[:300]}")


def publish(http: httpx.Client, story_id: str) -> Any:
    """Publish the draft and wait until its media are processed."""
    with stderr.status("processing"):
        for _ in range(MAX_WAITS):
            answer = http.post(f"/v1/stories/{story_id}/publish", params={"wait": WAIT_S})
            if answer.status_code != 202:
                break
    if answer.status_code == 202:
        abort(f"{story_id}: still being processed after {MAX_WAITS * WAIT_S} s")
    if answer.status_code != 200:
        _refused("publish", answer)
    return answer.json()


def _refused(step: str, response: httpx.Response) -> NoReturn:
    abort(f"{step}: {problem_of(response)}")


class _Counted:
    """A file that reports how much of it was read."""

    def __init__(self, file: BinaryIO, advance: Any) -> None:
        self._file, self._advance = file, advance

    def read(self, size: int = -1) -> bytes:
        found = self._file.read(size)
        self._advance(len(found))
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

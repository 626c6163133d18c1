"""The client against a server of its own: tokens, retries, pages, tickets, uploads, views, live updates."""

import io
import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from stories_client import AsyncStories, Stories, StoriesError, UploadState

Answer = Callable[[httpx.Request], httpx.Response]


def stories(answer: Answer, token: Any = "t") -> Stories:
    return Stories("http://stories.test", token, http=httpx.Client(transport=httpx.MockTransport(answer)))


def problem(slug: str, status: int, headers: dict[str, str] | None = None, **more: str) -> httpx.Response:
    body = {"type": f"urn:stories:{slug}", "title": slug, "status": status, **more}
    return httpx.Response(status, json=body, headers=headers)


def item(**changes: Any) -> Any:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    return {
        "id": "s1",
        "ticket": "old",
        "expires_at": later,
        "urls_expire_at": later,
        "ticket_expires_at": later,
    } | changes


def test_a_refusal_is_an_error_with_type_and_reason() -> None:
    client = stories(lambda _: problem("media-refused", 422, {"X-Request-Id": "r-1"}, reason="damaged"))
    with pytest.raises(StoriesError) as caught:
        client.get_quota()
    error = caught.value
    assert (error.status, error.type, error.reason, error.request_id) == (422, "media-refused", "damaged", "r-1")


def test_a_503_is_repeated_for_a_read_and_not_for_a_bare_post() -> None:
    calls: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(request.method)
        return problem("unavailable", 503, {"Retry-After": "0"}) if len(calls) % 2 else httpx.Response(200, json={})

    client = stories(answer)
    assert client.get_quota() == {}
    with pytest.raises(StoriesError) as caught:
        client.publish_story("s1")
    assert caught.value.temporary
    assert calls == ["GET", "GET", "POST"]


def test_a_refused_token_is_asked_for_again_once() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return httpx.Response(200, json={}) if seen[-1] == "Bearer new" else problem("unauthenticated", 401)

    stories(answer, lambda refused: "new" if refused else "old").get_quota()
    with pytest.raises(StoriesError):
        stories(answer, lambda _: "old").get_quota()
    assert seen == ["Bearer old", "Bearer new", "Bearer old", "Bearer old"]


def test_an_unchanged_tray_is_answered_from_the_last_one() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.headers.get("if-none-match") == 'W/"1"':
            return httpx.Response(304)
        return httpx.Response(200, json={"items": [], "mine": None}, headers={"ETag": 'W/"1"'})

    client = stories(answer)
    assert client.tray() is client.tray()


def test_a_list_is_read_only_as_far_as_it_is_asked_for() -> None:
    cursors: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        cursors.append(request.url.params.get("cursor"))
        number = int(cursors[-1] or 0)
        return httpx.Response(200, json={"items": [number, number + 0.5], "next_cursor": str(number + 1)})

    found = stories(answer).for_you()
    assert [next(found) for _ in range(3)] == [0, 0.5, 1]
    assert cursors == [None, "1"]


def test_an_ended_ticket_is_renewed_once_and_the_call_repeated() -> None:
    tickets: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=item(ticket="new"))
        tickets.append(request.headers["story-ticket"])
        return problem("ticket-expired", 403) if tickets[-1] == "old" else httpx.Response(204)

    shown = item()
    stories(answer).react(shown, "❤️")
    assert (tickets, shown["ticket"]) == (["old", "new"], "new")


def test_urls_are_renewed_shortly_before_they_end() -> None:
    client = stories(lambda _: httpx.Response(200, json=item(ticket="new")))
    soon, past = ((datetime.now(UTC) + timedelta(seconds=each)).isoformat() for each in (10, -1))
    lasting = item()
    assert client.fresh(lasting) is lasting
    renewed = client.fresh(item(urls_expire_at=soon))
    assert renewed is not None
    assert renewed["ticket"] == "new"
    assert client.fresh(item(expires_at=past)) is None
    gone = stories(lambda _: problem("not-found", 404))
    assert gone.renewed(item()) is None


class Ingest:
    """Answers like ingest and the object store."""

    def __init__(self, *, failures: int = 0, refuse: str | None = None) -> None:
        self.calls: list[str] = []
        self.failures, self.refuse, self.published = failures, refuse, 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.calls.append(f"{request.method} {path}")
        form = {"method": "POST", "url": "http://bucket.test/bucket", "fields": {"key": "staging/1"}}
        if path == "/v1/stories":
            assert request.headers["idempotency-key"]
            upload = None if "background" in json.loads(request.content)["media"] else form
            return httpx.Response(201, json={"id": "s1", "state": "draft", "upload": upload})
        if path == "/bucket":
            sent = request.read()
            assert sent.index(b'name="key"') < sent.index(b'name="file"')
            self.failures -= 1
            return httpx.Response(500 if self.failures >= 0 else 204)
        if path.endswith("/upload"):
            return httpx.Response(200, json=form)
        if path.endswith("/publish"):
            if self.refuse:
                return problem("media-refused", 422, reason=self.refuse)
            self.published += 1
            state = "live" if self.published > 1 else "processing"
            return httpx.Response(200, json={"id": "s1", "author_id": "ann", "state": state, "progress": 0.5})
        return httpx.Response(204)


PHOTO = b"photo" * 50_000


def test_a_file_becomes_a_live_story_with_progress() -> None:
    seen: list[tuple[str, float]] = []
    client = stories(Ingest())
    upload = client.upload(
        io.BytesIO(PHOTO), content_type="image/jpeg", on_progress=lambda stage, share: seen.append((stage, share))
    )
    assert upload.run()["state"] == "live"
    assert list(dict.fromkeys(stage for stage, _ in seen)) == ["new", "uploading", "processing", "live"]
    shares = [share for stage, share in seen if stage == "uploading"]
    assert shares == sorted(shares)
    assert len(shares) > 3
    assert shares[-1] == 1.0


def test_an_interrupted_upload_goes_on_with_a_fresh_form() -> None:
    ingest = Ingest(failures=1)
    client = stories(ingest)
    first = client.upload(io.BytesIO(PHOTO), content_type="image/jpeg")
    with pytest.raises(StoriesError, match="upload-failed"):
        first.run()
    stored = UploadState(**json.loads(json.dumps(first.state.as_dict())))
    assert client.upload(io.BytesIO(PHOTO), content_type="image/jpeg", state=stored).run()["state"] == "live"
    assert ingest.calls.count("POST /v1/stories") == 1
    assert "POST /v1/stories/s1/upload" in ingest.calls


def test_a_refused_file_says_why_and_cancelling_removes_the_draft() -> None:
    ingest = Ingest(refuse="too_long")
    upload = stories(ingest).upload(io.BytesIO(PHOTO), content_type="image/jpeg")
    with pytest.raises(StoriesError) as caught:
        upload.run()
    assert caught.value.reason == "too_long"
    upload.cancel()
    assert ingest.calls[-1] == "POST /v1/stories/s1/cancel"


def test_a_text_story_needs_no_upload() -> None:
    ingest = Ingest()
    assert stories(ingest).upload(None, {"media": {"background": "#101010"}}).run()["state"] == "live"
    assert "POST /bucket" not in ingest.calls


def test_views_are_kept_while_offline_and_sent_once(tmp_path: Path) -> None:
    batches: list[list[Any]] = []
    online = False

    def answer(request: httpx.Request) -> httpx.Response:
        if not online:
            raise httpx.ConnectError("offline")
        batches.append(json.loads(request.content)["views"])
        return httpx.Response(202, json={"accepted": len(batches[-1]), "rejected": []})

    client, kept = stories(answer), tmp_path / "views.json"
    with client.views(kept) as views:
        views.add({"ticket": "t", "play_id": "play-0001", "watched_ms": 3000, "completed": True})
        views.add({"ticket": "t", "play_id": "play-0001", "watched_ms": 1000, "completed": False})
        views.add({"ticket": "t", "play_id": "play-0002", "watched_ms": 1})
    online = True
    again = client.views(kept)
    assert len(again) == 2
    assert again.flush()
    assert [[(each["play_id"], each["watched_ms"]) for each in batch] for batch in batches] == [
        [("play-0001", 3000), ("play-0002", 1)]
    ]
    assert batches[0][0]["completed"] is True
    assert len(client.views(kept)) == 0


def test_a_full_batch_is_sent_at_once() -> None:
    sizes: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sizes.append(len(json.loads(request.content)["views"]))
        return httpx.Response(202, json={"accepted": sizes[-1], "rejected": []})

    views = stories(answer).views()
    for number in range(101):
        views.add({"ticket": "t", "play_id": f"play-{number:04}"})
    assert (sizes, len(views)) == ([100], 1)


def cuts(ids: list[str | None]) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        ids.append(request.headers.get("last-event-id"))
        text = f': heartbeat\nretry: 1\n\nid: {len(ids)}\nevent: ring\ndata: {{"author_id":"ann"}}\n\n'
        return httpx.Response(200, text=text, headers={"Content-Type": "text/event-stream"})

    return answer


def test_live_updates_resume_after_a_cut_with_the_last_id() -> None:
    ids: list[str | None] = []
    events: Iterator[Any] = stories(cuts(ids)).live()
    found = [next(events) for _ in range(2)]
    assert [(each.event, each.data) for each in found] == [("ring", {"author_id": "ann"})] * 2
    assert ids == [None, "1"]


def test_a_server_without_live_updates_says_so() -> None:
    with pytest.raises(StoriesError) as caught:
        next(stories(lambda _: problem("not-found", 404)).live())
    assert caught.value.status == 404


async def test_the_asynchronous_client_does_the_same() -> None:
    async def token(refused: bool) -> str:
        return "new" if refused else "old"

    ids: list[str | None] = []
    ingest, live = Ingest(), cuts(ids)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host != "bucket.test" and request.headers["authorization"] == "Bearer old":
            return problem("unauthenticated", 401)
        if request.url.path == "/v1/live":
            return live(request)
        return ingest(request)

    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    async with AsyncStories("http://stories.test", token, http=http) as client:
        story = await client.upload(io.BytesIO(PHOTO), content_type="image/jpeg").run()
        assert story["state"] == "live"
        events = client.live()
        assert [(await anext(events)).event for _ in range(2)] == ["ring", "ring"]
    assert ids == [None, "1"]


def test_it_builds_as_a_wheel_and_a_source_distribution(tmp_path: Path) -> None:
    folder = Path(__file__).parents[1]
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    expected = {f"stories_client/{name}" for name in ("py.typed", "models.py", "_sync/client.py", "_async/client.py")}
    assert expected <= set(zipfile.ZipFile(wheel).namelist())
    (source,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {each.partition("/")[2] for each in archive.getnames()}
    assert {"README.md", "examples/story.py", "src/stories_client/models.py"} <= names

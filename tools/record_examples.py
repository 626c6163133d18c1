"""Records an example of every operation from a running stack: `python -m tools.record_examples DATA_FOLDER`.

The stack needs `ARCHIVE=on` and a lifetime of five seconds: `ARCHIVE=on stories up --lifetimes 24h,5s --data DIR`.

Calls go through the gateway. Ids, times, hosts, signatures and tickets are replaced, so that what is committed is the
same on every machine: a file for each operation in `docs/openapi/examples/`. `make docs` adds them to the documents.
"""

import io
import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from stories_embedded.data_dir import DataDir
from stories_embedded.keys import StackKeys
from stories_shared.testing import wait_until

CHECKOUT = Path(__file__).parent.parent
EXAMPLES = CHECKOUT / "docs" / "openapi" / "examples"
FIRST = datetime(2026, 1, 15, 9, tzinfo=UTC)
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
SIGNED = re.compile(r"\?(?:response-|X-Amz-)[^\"]*")
OPAQUE = {"ticket", "token", "policy", "x-amz-signature", "x-amz-credential", "x-amz-date", "signature", "secret"}


class Recorder:
    """Calls operations and keeps what they answered, the first success of each status."""

    def __init__(self, url: str, tokens: dict[str, str]) -> None:
        self.http = httpx.Client(base_url=url, timeout=60, trust_env=False)
        self.tokens = tokens
        document = self.http.get("/v1/openapi.json").json()
        self.operations = {
            (method, path): operation["operationId"]
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }
        self.found: dict[str, dict[str, Any]] = {}

    def call(self, who: str, method: str, path: str, body: Any = None, ticket: str | None = None, **values: str) -> Any:
        """Call an operation by its documented path; returns the body of the answer."""
        headers = {"Authorization": f"Bearer {self.tokens[who]}"} | ({"Story-Ticket": ticket} if ticket else {})
        where, _, query = path.partition("?")
        url = where.format(**values) + (f"?{query.format(**values)}" if query else "")
        answer = self.http.request(method, url, headers=headers, json=body)
        if not answer.is_success:
            raise SystemExit(f"{method} {url}: {answer.status_code} {answer.text}")
        kept = self.found.setdefault(self.operations[method.lower(), where], {"responses": {}})
        if body is not None:
            kept.setdefault("request", body)
        if answer.content:
            kept["responses"].setdefault(str(answer.status_code), answer.json())
        return answer.json() if answer.content else None

    def until(self, who: str, path: str, wanted: Callable[[Any], object]) -> None:
        """Ask until the answer is wanted, without recording what is not."""

        def answered() -> object:
            answer = self.http.get(path, headers={"Authorization": f"Bearer {self.tokens[who]}"})
            return answer.is_success and wanted(answer.json())

        wait_until(answered, path, every_s=0.2)


def photo() -> bytes:
    """A picture."""
    file = io.BytesIO()
    Image.linear_gradient("L").resize((720, 1280)).convert("RGB").save(file, "JPEG")
    return file.getvalue()


def post(record: Recorder, **choices: Any) -> dict[str, Any]:
    """Post a photo as ann."""
    content = photo()
    body = {"media": {"content_type": "image/jpeg", "size": len(content)}, **choices}
    draft = record.call("ann", "POST", "/v1/stories", body)
    form = record.call("ann", "POST", "/v1/stories/{story_id}/upload", story_id=draft["id"])
    uploaded = httpx.post(form["url"], data=form["fields"], files={"file": ("photo.jpg", content)}, trust_env=False)
    uploaded.raise_for_status()
    record.call("ann", "POST", "/v1/stories/{story_id}/publish", story_id=draft["id"])
    live: dict[str, Any] = record.call("ann", "POST", "/v1/stories/{story_id}/publish?wait=30", story_id=draft["id"])
    return live


def scenario(record: Recorder) -> None:
    """A story's whole life, and every operation in it."""
    frame = {"x": 0.1, "y": 0.2, "w": 0.8, "h": 0.2}
    call = record.call
    call("ann", "GET", "/v1/config")
    call("ann", "GET", "/v1/me")
    call("ann", "GET", "/v1/eligibility")
    call("bob", "PUT", "/v1/following/{user_id}", {"notify": True}, user_id="ann")
    call("ann", "PUT", "/v1/close-friends/{user_id}", user_id="bob")
    call("ann", "PUT", "/v1/blocked/{user_id}", user_id="mallory")
    call("ann", "PUT", "/v1/muted/{user_id}", user_id="carol")
    record.until("ann", "/v1/followers", lambda page: page["items"])
    for path in ("followers", "blocked", "muted", "close-friends"):
        call("ann", "GET", f"/v1/{path}")
    call("bob", "GET", "/v1/following")
    poll = {"kind": "poll", **frame, "question": "Tea?", "options": ["yes", "no"]}
    text = {"kind": "text", **frame, "text": "good morning", "font": "classic", "align": "center"}
    call("ann", "PUT", "/v1/hidden-from/{user_id}", user_id="dave")
    call("ann", "GET", "/v1/hidden-from")
    caption = "first light with @bob #morning"
    live = post(record, caption=caption, layers=[poll, text], alt_text="the sun over a field")
    own, theirs = {"story_id": live["id"]}, {"user_id": "ann"}
    call("ann", "GET", "/v1/me/stories/{story_id}", **own)
    call("ann", "GET", "/v1/me/stories?state=live")
    call("ann", "GET", "/v1/me/quota")
    call("ann", "PATCH", "/v1/stories/{story_id}", {"comments": "everyone", "download": True}, **own)
    record.until("bob", "/v1/users/ann/stories", lambda page: page["items"] and page["items"][0]["can"]["download"])
    call("bob", "GET", "/v1/tray")
    call("bob", "GET", "/v1/rings?user_ids=ann,carol")
    call("bob", "GET", "/v1/for-you")
    call("bob", "GET", "/v1/hashtags?prefix=mor")
    call("bob", "GET", "/v1/hashtags/{tag}/stories", tag="morning")
    call("bob", "GET", "/v1/me/mentions")
    call("ann", "GET", "/v1/stories/{story_id}/explain?viewer=bob", **own)
    call("bob", "POST", "/v1/live/token")
    call("bob", "GET", "/v1/reels?user_ids=ann")
    call("bob", "GET", "/v1/users/{user_id}/stories", **theirs)
    item = call("bob", "GET", "/v1/stories/{story_id}", **own)
    ticket = item["ticket"]
    view = {"ticket": ticket, "play_id": "play-2026-0001", "watched_ms": 4200, "completed": True}
    call("bob", "POST", "/v1/views", {"views": [view | {"taps": {"forward": 1}}]})
    call("bob", "PUT", "/v1/users/{user_id}/seen", {"up_to": live["id"]}, **theirs)
    call("bob", "PUT", "/v1/stories/{story_id}/reaction", {"emoji": "❤️"}, ticket, **own)
    call("bob", "GET", "/v1/stories/{story_id}/reactions", None, ticket, **own)
    comment = call("bob", "POST", "/v1/stories/{story_id}/comments", {"text": "what a sky"}, ticket, **own)
    call("bob", "GET", "/v1/stories/{story_id}/comments", None, ticket, **own)
    call("bob", "POST", "/v1/stories/{story_id}/shares", None, ticket, **own)
    layer = item["layers"][0]["id"]
    call("bob", "PUT", "/v1/stories/{story_id}/answers/{layer_id}", {"option": 0}, ticket, layer_id=layer, **own)
    call("ann", "GET", "/v1/stories/{story_id}/answers?layer_id={layer_id}", layer_id=layer, **own)
    record.until("ann", f"/v1/stories/{live['id']}/viewers", lambda page: page["items"])
    call("ann", "GET", "/v1/stories/{story_id}/viewers", **own)
    call("ann", "GET", "/v1/stories/{story_id}/counts", **own)
    call("ann", "GET", "/v1/stories/{story_id}/insights", **own)
    call("ann", "GET", "/v1/me/insights")
    call("ann", "PUT", "/v1/me/archive-settings", {"enabled": True})
    call("ann", "GET", "/v1/me/archive-settings")
    expired = post(record, caption="gone by noon", lifetime="5s")
    record.until("ann", "/v1/me/archive", lambda page: page["items"])
    call("ann", "GET", "/v1/me/archive")
    chosen = {"title": "Summer", "story_ids": [expired["id"]], "cover_story_id": None}
    shown = {"highlight_id": call("ann", "POST", "/v1/me/highlights", chosen)["id"]}
    call("ann", "PATCH", "/v1/me/highlights/{highlight_id}", {"title": "Summer"}, **shown)
    call("bob", "GET", "/v1/users/{user_id}/highlights", **theirs)
    call("bob", "GET", "/v1/highlights/{highlight_id}", **shown)
    call("ann", "DELETE", "/v1/me/highlights/{highlight_id}", **shown)
    call("ann", "DELETE", "/v1/me/archive/{story_id}", story_id=expired["id"])
    call("bob", "POST", "/v1/stories/{story_id}/repost", None, ticket, **own)
    call("bob", "GET", "/v1/me/privacy")
    call("bob", "PUT", "/v1/me/privacy", {"view_history": True})
    call("ann", "PUT", "/v1/me/hidden-words", {"words": ["spoiler"]})
    call("ann", "GET", "/v1/me/hidden-words")
    call("bob", "POST", "/v1/stories/{story_id}/reports", {"reason": "spam", "text": None}, ticket, **own)
    reported = {"comment_id": comment["id"]}
    call("ann", "POST", "/v1/comments/{comment_id}/reports", {"reason": "rude", "text": "to me"}, ticket, **reported)
    report = call("root", "GET", "/v1/admin/reports?state=open")["items"][0]
    decision = {"action": "keep", "days": None}
    call("root", "POST", "/v1/admin/reports/{report_id}/decision", decision, report_id=report["id"])
    call("root", "GET", "/v1/admin/audit")
    hook = {"url": "https://example.com/stories", "events": ["story-posted", "story-expired"], "secret": None}
    called = {"webhook_id": call("root", "POST", "/v1/admin/webhooks", hook)["id"]}
    call("root", "GET", "/v1/admin/webhooks")
    call("root", "GET", "/v1/admin/webhooks/{webhook_id}", **called)
    call("root", "PATCH", "/v1/admin/webhooks/{webhook_id}", {"events": ["story-posted"]}, **called)
    call("root", "POST", "/v1/admin/webhooks/{webhook_id}/test", **called)
    deliveries = f"/v1/admin/webhooks/{called['webhook_id']}/deliveries"
    record.until("root", deliveries, lambda page: page["items"])
    sent = call("root", "GET", "/v1/admin/webhooks/{webhook_id}/deliveries", **called)["items"][0]
    retry = "/v1/admin/webhooks/{webhook_id}/deliveries/{delivery_id}/retry"
    call("root", "POST", retry, delivery_id=sent["id"], **called)
    call("root", "DELETE", "/v1/admin/webhooks/{webhook_id}", **called)
    call("ann", "DELETE", "/v1/me/stories")
    record.until("ann", f"/v1/stories/{live['id']}/receipt", lambda receipt: receipt["complete"])
    call("ann", "GET", "/v1/stories/{story_id}/receipt", **own)
    call("root", "GET", "/v1/admin/erasure")
    call("root", "POST", "/v1/admin/users/{user_id}/erasure", user_id="zoe")
    record.until("root", "/v1/admin/users/zoe/erasure", lambda receipt: receipt["complete"])
    call("root", "GET", "/v1/admin/users/{user_id}/erasure", user_id="zoe")


def normalised(found: dict[str, dict[str, Any]], gateway: str) -> dict[str, dict[str, Any]]:
    """The examples with everything replaced that differs from run to run."""
    text = json.dumps(hidden(found), ensure_ascii=False)
    text = SIGNED.sub("?X-Amz-Signature=example", text).replace(gateway, "https://stories.example")
    text = re.sub(r"http://(127\.0\.0\.1|localhost):\d+", "https://media.example", text)
    ids = dict.fromkeys(UUID.findall(text))
    for number, each in enumerate(ids, 1):
        text = text.replace(each, f"0198c5d0-7d1c-7c3e-9f57-{number:012x}")
    times = sorted(set(TIME.findall(text)))
    first = datetime.fromisoformat(times[0])
    for each in times:
        seconds = int((datetime.fromisoformat(each) - first).total_seconds())
        text = text.replace(each, (FIRST + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.000Z"))
    made: dict[str, dict[str, Any]] = json.loads(text)
    return made


def hidden(value: Any, name: str = "") -> Any:
    """The value without tickets, signatures and cursors."""
    if isinstance(value, dict):
        return {key: hidden(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [hidden(each) for each in value]
    secret = name.lower() in OPAQUE or name == "next_cursor"
    return "ZXhhbXBsZQ.c2lnbmF0dXJl" if secret and isinstance(value, str) else value


def main(data: str) -> None:
    """Record, normalise and write."""
    folder = DataDir(Path(data))
    stack, keys = folder.running(), StackKeys(folder.keys)
    if stack is None:
        raise SystemExit(f"no stack runs in {data}")
    roles = {"ann": [], "bob": [], "carol": [], "root": ["admin"]}
    record = Recorder(stack.url, {user: keys.token(user, roles=some) for user, some in roles.items()})
    scenario(record)
    EXAMPLES.mkdir(parents=True, exist_ok=True)
    for name, example in normalised(record.found, stack.url).items():
        (EXAMPLES / f"{name}.json").write_text(json.dumps(example, indent=1, ensure_ascii=False) + "\n")
    sys.stdout.write(
        f"without an example: {', '.join(sorted(set(record.operations.values()) - record.found.keys()))}\n"
    )


if __name__ == "__main__":
    main(sys.argv[1])

"""Logs contain no secrets of the system, no tickets or signatures, and no user content."""

import asyncio
import base64
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from stories_shared.events import EVENTS
from stories_shared.events.ids import new_id
from stories_shared.testing import eventually

from ..journeys.installation import Installation
from ..journeys.people import Answer, Person
from ..journeys.waiting import SOON

SIGNED = re.compile(r"[0-9a-f]{64}")
RIGHTS = {"ticket", "policy", "x-amz-signature", "next_cursor"}


def rights_in(found: Any) -> Iterator[str]:
    """Tickets, cursors, policies and signatures in a response."""
    if isinstance(found, Mapping):
        for name, value in found.items():
            if isinstance(value, str) and name.lower() in RIGHTS:
                yield value
            elif isinstance(value, str) and "X-Amz-Signature=" in value:
                yield from SIGNED.findall(value)
            else:
                yield from rights_in(value)
    elif isinstance(found, list):
        for each in found:
            yield from rights_in(each)


class Kept(set[str]):
    """Strings that no log may contain."""

    def word(self, what: str) -> str:
        """A unique string of user content."""
        word = f"{what}-{secrets.token_hex(8)}"
        self.add(word)
        return word

    def of(self, answer: Answer) -> Answer:
        """Keep the tickets and signatures of a response."""
        self.update(rights_in(answer))
        return answer


async def live(kept: Kept, ann: Person, bob: Person) -> Answer:
    """The lifecycle of a story, with a unique string in every text field."""
    kept.update(part for person in (ann, bob) for part in (person.token, person.token.rpartition(".")[2]))
    layer = {"kind": "text", "x": 0, "y": 0, "w": 1, "h": 1, "text": kept.word("layer")}
    sound = {"id": "s", "title": kept.word("title"), "artist": kept.word("artist"), "start_ms": 0, "length_ms": 1}
    words = {
        "caption": kept.word("caption"),
        "alt_text": kept.word("alt"),
        "layers": [layer],
        "sound": sound,
        "captions_track": f"WEBVTT\n\n00:00.000 --> 00:01.000\n{kept.word('said')}\n",
    }
    draft = kept.of(await ann.draft(key=kept.word("key"), **words))
    await ann.publish(draft["id"])
    await ann.done("PUT", "/v1/me/hidden-words", json={"words": [kept.word("hidden")]})
    await bob.follow(ann)
    item = kept.of(await eventually(lambda: bob.item(draft), SOON))
    assert (await bob.media(item["media_url"])).status_code == 200
    await bob.media(item["media_url"].replace("X-Amz-Expires=", "X-Amz-Expires=1"))
    await bob.view(item, play_id=kept.word("play"))
    await bob.react(item)
    assert (await bob.comment(item, kept.word("comment"), key=kept.word("key"))).status_code == 201
    for _ in range(3):
        await ann.post()
    kept.of(await bob.get("/v1/for-you", limit=1))
    for path in ("/v1/tray", f"/v1/users/{ann.id}/stories", "/v1/reels?user_ids=" + ann.id):
        kept.of((await bob.done("GET", path)).json())
    return item


async def abuse(kept: Kept, ann: Person, bob: Person, story_id: str) -> None:
    """Requests that are rejected, with a secret in each."""
    forged = f"{bob.token[:-20]}{secrets.token_urlsafe(15)}"
    kept.add(forged)
    await bob.http.get("/v1/tray", headers={"Authorization": f"Bearer {forged}"})
    await bob.http.get("/v1/tray", headers={"Authorization": kept.word("Basic")})
    await bob.call("GET", f"/v1/live?token={kept.word('token')}")
    await bob.call("GET", f"/v1/tray?{kept.word('query')}=1")
    await bob.call("GET", "/v1/tray", params={"cursor": kept.word("cursor")})
    await bob.call("GET", f"/v1/stories/{story_id}/counts", ticket=kept.word("ticket"))
    for content in (b'{"text": "%s"', b'{"text": "%s", "text": 1}', b'{"text": ["%s"]}', b'{"%s": 1}'):
        body = content % kept.word("body").encode()
        headers = {"Content-Type": "application/json"}
        await ann.call("POST", f"/v1/stories/{story_id}/comments", content=body, headers=headers)


async def send_invalid_records(kept: Kept, settings: Mapping[str, str]) -> None:
    """An invalid record on every topic, with a secret in it."""
    producer = AIOKafkaProducer(bootstrap_servers=settings["KAFKA_BOOTSTRAP_SERVERS"])
    await producer.start()
    try:
        for topic in EVENTS:
            word = kept.word("event")
            for value in (word, json.dumps({"caption": word, "story_id": word, "user_id": [word], "kind": word})):
                await producer.send_and_wait(topic, value.encode(), key=new_id().encode())
    finally:
        await producer.stop()


async def outage(kept: Kept, installation: Installation, ann: Person, bob: Person, story: Answer) -> None:
    """Requests while MongoDB and the object store are down."""
    await installation.stack.kill("mongod", "s3")
    requests = [
        ann.call("PATCH", f"/v1/stories/{story['id']}", json={"hide_from": [kept.word("hide")]}),
        ann.create(caption=kept.word("caption")),
        bob.call("GET", f"/v1/users/{ann.id}/stories"),
        bob.call(
            "POST", f"/v1/stories/{story['id']}/comments", json={"text": kept.word("comment")}, ticket=story["ticket"]
        ),
        ann.call("DELETE", f"/v1/stories/{story['id']}"),
    ]
    await asyncio.gather(*requests)
    await eventually(lambda: ann.call("GET", "/v1/me/quota"), 60, accept=lambda answer: answer.status_code == 200)


def everywhere(installation: Installation) -> dict[str, str]:
    """All logs of the stack."""
    logs = installation.stack.log("up").parent
    found = {
        each.name: each.read_text(encoding="utf-8", errors="replace") for each in logs.rglob("*") if each.is_file()
    }
    assert {"ingest.log", "feed.log", "engagement.log", "expiry.log", "gateway.log", "mongod.log"} <= found.keys()
    return found


@pytest.mark.timeout(420)
async def test_logs_contain_no_secrets_tickets_or_user_content(installation: Installation) -> None:
    kept, settings = Kept(), await installation.stack.env()
    kept.update(pair.partition(":")[2] for pair in settings["TICKET_KEYS"].split(","))
    kept.add(settings["S3_SECRET_KEY"])
    ann, bob = installation.people("ann", "bob")
    story = await live(kept, ann, bob)
    await abuse(kept, ann, bob, story["id"])
    await send_invalid_records(kept, settings)
    await outage(kept, installation, ann, bob, story)
    await ann.delete(story)
    await ann.complete_receipt(story)
    kept.update([base64.b64encode(word.encode()).decode().rstrip("=") for word in kept if len(word) < 64])
    assert len(kept) > 80
    leaks = [(name, word) for name, text in everywhere(installation).items() for word in kept if word in text]
    assert leaks == []

"""Reactions, comments and answers of many users on one story at once, beside single-document increments."""

import asyncio
import time
from collections.abc import Sequence

import msgspec
from stories_embedded.testing import Realm
from stories_engagement.testing.builders import a_poll, a_ticket
from stories_shared.events import StoryPosted

from ..bench import NO_LIMIT, Bench
from ..client import UNIQUE
from ..load import client_load
from ..registry import figure
from ..results import Result, Sample, compare
from .views import Engagement

USERS = 64
EMOJIS = ("❤️", "😂")


@figure("engagements")
async def engagements(bench: Bench) -> Sequence[Result]:
    """Reactions, comments and answers of 64 users on one hot story, beside `$inc` of one document by 64 tasks."""
    limits = {f"LIMIT_{name}": NO_LIMIT for name in ("REACTIONS", "COMMENTS")}
    service = Engagement(bench, bench.settings(Realm(bench.servers), **limits))
    await service.start()
    counter = service.mongo["bare"]
    await counter.insert_one({"_id": "counter", "n": 0})
    try:
        poll = a_poll()
        [story] = await service.stories(1, layers=(poll,))
        reactions = [
            request(service, story, "PUT", "reaction", {"emoji": emoji}, user)
            for emoji in EMOJIS
            for user in range(USERS)
        ]
        comments = [
            request(service, story, "POST", "comments", {"text": f"fine {UNIQUE.decode()}"}, user)
            for user in range(USERS)
        ]
        answers = [
            request(service, story, "PUT", f"answers/{poll['id']}", {"option": option}, user)
            for option in range(2)
            for user in range(USERS)
        ]

        async def incremented() -> Sample:
            own, server, began = time.process_time(), service.mongod.cpu_s(), time.perf_counter()
            writes = sum(await asyncio.gather(*(task(began + bench.plan.seconds) for _ in range(USERS))))
            used = time.process_time() - own + service.mongod.cpu_s() - server
            return Sample(writes / (time.perf_counter() - began), used / writes * 1e6)

        async def task(until: float) -> int:
            writes = 0
            while time.perf_counter() < until:
                await counter.update_one({"_id": "counter"}, {"$inc": {"n": 1}})
                writes += 1
            return writes

        async def load(requests: Sequence[bytes]) -> Sample:
            return await client_load(service.process, requests, bench.plan.seconds, connections=USERS)

        return [
            await compare(
                name,
                "requests/s",
                lambda requests=requests: load(requests),  # type: ignore[misc]
                bench.plan,
                peer="$inc of one document, majority, 64 tasks",
                limit=incremented,
                at_least=0.3,
            )
            for name, requests in (
                ("reactions-hot", reactions),
                ("comments-hot", comments),
                ("answers-hot", answers),
            )
        ]
    finally:
        await service.close()


def request(service: Engagement, story: StoryPosted, method: str, what: str, body: object, user: int) -> bytes:
    """A prepared request of a viewer of the story."""
    viewer, content = f"reader{user}", msgspec.json.encode(body)
    headers = {
        "Host": service.process.url.removeprefix("http://"),
        "Authorization": f"Bearer {service.bench.servers.token(viewer)}",
        "Story-Ticket": service.tickets.sign(a_ticket(story, viewer)),
        "Content-Type": "application/json",
        "Content-Length": len(content),
    }
    lines = [f"{method} /v1/stories/{story.story_id}/{what} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + content

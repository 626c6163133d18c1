"""Reactions, comments and answers of many users on one story at once, beside single-document increments."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial

import msgspec
from stories_engagement.testing.builders import a_poll, a_ticket

from ..bench import NO_LIMIT, Bench
from ..client import UNIQUE
from ..engagement import engagement
from ..load import client_load, request
from ..registry import figure
from ..results import Cost, Result, Sample, compare

USERS = 64
EMOJIS = ("❤️", "😂")


@figure("engagements")
async def engagements(bench: Bench) -> Sequence[Result]:
    """Reactions, comments and answers of 64 users on one hot story, beside `$inc` of one document by 64 tasks."""
    async with engagement(bench, LIMIT_REACTIONS=NO_LIMIT, LIMIT_COMMENTS=NO_LIMIT) as service:
        poll = a_poll()
        [story] = await service.stories(1, layers=(poll,))
        counter = service.mongo["bare"]
        await counter.insert_one({"_id": "counter", "n": 0})

        def requests(method: str, what: str, *bodies: object) -> list[bytes]:
            path, users = f"/v1/stories/{story.story_id}/{what}", [f"reader{n}" for n in range(USERS)]
            tickets = {user: service.tickets.sign(a_ticket(story, user)) for user in users}
            return [
                request(
                    service.process, method, path, bench.servers.token(user), msgspec.json.encode(body),
                    Story_Ticket=tickets[user],
                )
                for body in bodies
                for user in users
            ]  # fmt: skip

        async def incremented() -> Sample:
            cost, until = Cost(time.process_time, service.mongod.cpu_s), time.perf_counter() + bench.plan.seconds
            return cost.sample(sum(await asyncio.gather(*(task(until) for _ in range(USERS)))))

        async def task(until: float) -> int:
            writes = 0
            while time.perf_counter() < until:
                await counter.update_one({"_id": "counter"}, {"$inc": {"n": 1}})
                writes += 1
            return writes

        loads = {
            "reactions-hot": requests("PUT", "reaction", *({"emoji": emoji} for emoji in EMOJIS)),
            "comments-hot": requests("POST", "comments", {"text": f"fine {UNIQUE.decode()}"}),
            "answers-hot": requests("PUT", f"answers/{poll['id']}", {"option": 0}, {"option": 1}),
        }
        return [
            await compare(
                name,
                "requests/s",
                partial(client_load, service.process, load, bench.plan.seconds, connections=USERS),
                bench.plan,
                peer="$inc of one document, majority, 64 tasks",
                limit=incremented,
                at_least=0.3,
            )
            for name, load in loads.items()
        ]

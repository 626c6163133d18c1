"""What people do, each as a numbered operation that the model keeps."""

import asyncio
import random
import secrets
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from tests.journeys.samples import Sample

from .engagement_operations import EngagementOperations
from .http_client import Answer
from .model import Kind, Rule, Story, Timeline

AUDIENCES = ("everyone", "everyone", "followers", "friends", "close_friends")
LASTING_S = 15.0
MOST_LIVE = 9
"""Live stories an author may have here; the quota is a hundred."""
FORGET_FOLLOWS: tuple[Kind, ...] = ("following", "close-friends")


@dataclass
class Operations(EngagementOperations):
    """Posting, taking back, and who is who to whom. EngagementOperations is beside it."""

    pool: Sequence[Sample]
    rubbish: Sample
    lifetimes: Sequence[str]
    background: set[asyncio.Task[None]] = field(default_factory=set)
    _pairs: dict[frozenset[str], asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    async def post(self, user: str, rng: random.Random) -> None:
        """A story, from the wish to its being live."""
        now = time.time()
        if sum(story.lives(now) is not False for story in self.model.of(user)) >= MOST_LIVE:
            return
        story = self._wish(user, rng, rng.choice(self.pool))
        await self.bring_live(story)

    async def post_rubbish(self, user: str, rng: random.Random) -> None:
        """Something that is no media: accepted for a look, then refused."""
        await self.bring_live(self._wish(user, rng, self.rubbish))

    def _wish(self, user: str, rng: random.Random, sample: Sample) -> Story:
        audience = rng.choice(AUDIENCES)
        others = [other for other in self.model.users if other != user]
        hidden = rng.sample(others, 1) if rng.random() < 0.15 else []
        word = f"word{secrets.token_hex(8)}"
        asked: dict[str, Any] = {
            "media": {"content_type": sample.content_type, "size": len(sample.content)},
            "lifetime": rng.choice(self.lifetimes),
            "audience": audience,
            "hide_from": hidden,
            "caption": f"caption {word}",
            "alt_text": f"alt {word}",
            "layers": [{"kind": "text", "text": f"layer {word}", "x": 0.5, "y": 0.5, "w": 0.2, "h": 0.1}],
        }
        rule: Timeline[Rule] = Timeline((audience, frozenset(hidden)))
        story = Story(user, f"key-{secrets.token_hex(8)}", word, asked, sample, rule)
        self.model.add(story)
        return story

    async def bring_live(self, story: Story) -> None:
        """Create, upload, publish, as far as that is still to be done; every step may be repeated."""
        op = self.client.history.invoke("post", user=story.author, key=story.key, word=story.word)
        if not await self._draft(op, story):
            return
        story.state = "publishing"
        publish = f"/v1/stories/{story.id}/publish"

        async def attempt() -> Answer:
            answer = await self.client.once(story.author, "POST", publish, params={"wait": 3})
            story.publish_answered = story.publish_answered or answer.good
            # Still at work is no answer yet; nothing uploaded means that an upload was not heard of.
            if answer.status == 202:
                return Answer(503, answer.begun, answer.ended)
            if answer.status == 409 and await self._upload(story):
                return Answer(503, answer.begun, answer.ended)
            return answer

        answer = await self.client.until_known(op, attempt)
        if answer.status == 200:
            story.live_at = answer.ended
            story.expires_at = datetime.fromisoformat(answer.body["expires_at"]).timestamp()
            story.state = "live"
            self.client.history.note("live", story=story.id, expires_at=story.expires_at)
        elif answer.status == 422:
            story.state = "refused"
        elif answer.status == 404:
            await self._over_already(story)

    async def _over_already(self, story: Story) -> None:
        """It went live, was over, and only then could be asked about."""
        receipt = await self.client.once(story.author, "GET", f"/v1/stories/{story.id}/receipt")
        story.state = "gone"
        if receipt.status == 200:
            story.state, story.expires_at = "live", datetime.fromisoformat(receipt.body["ended_at"]).timestamp()

    async def _draft(self, op: int, story: Story) -> bool:
        async def create() -> Answer:
            return await self.client.once(story.author, "POST", "/v1/stories", key=story.key, json=story.asked)

        if story.id is None:
            answer = await self.client.until_known(op, create)
            if answer.status != 201:
                if answer.tells:
                    self.client.wrong("a good story is taken", status=answer.status, body=answer.body)
                return False
            self.model.name(story, answer.body["id"])
            self.client.history.note("named", op=op, story=story.id)
        if story.state == "wanted":
            if not await self._upload(story):
                return False
            story.state = "drafted"
        return True

    async def _upload(self, story: Story) -> bool:
        """Ask for a fresh form and use it; False where that does not work out."""
        for _ in range(20):
            form = await self.client.once(story.author, "POST", f"/v1/stories/{story.id}/upload")
            if form.status == 200:
                sent = await self.client.timed(self.client.person(story.author).upload(form.body, story.sample), "")
                if sent.good:
                    return True
            elif form.tells:
                return False
            await asyncio.sleep(0.5)
        return False

    async def delete(self, user: str, rng: random.Random) -> None:
        """Take a story back."""
        if story := self._some(user, rng):
            await self.take_back(story)

    async def take_back(self, story: Story) -> None:
        """DELETE until it is done."""
        op = self.client.history.invoke("delete", user=story.author, story=story.id)
        change = story.deleted.begin(True, time.time())
        path = f"/v1/stories/{story.id}"
        answer = await self.client.until_known(op, lambda: self.client.once(story.author, "DELETE", path), change)
        if answer.tells and answer.status != 204:
            self.client.wrong("an author deletes what is theirs", story=story.id, status=answer.status)

    async def change_audience(self, user: str, rng: random.Random) -> None:
        """Widen or narrow who may see a story, or hide it from somebody."""
        if story := self._some(user, rng):
            audience, hidden = story.rule.intended
            others = [other for other in self.model.users if other != user]
            if rng.random() < 0.4:
                hidden = frozenset(rng.sample(others, 1)) if not hidden else frozenset()
            else:
                audience = rng.choice([each for each in dict.fromkeys(AUDIENCES) if each != audience])
            await self.say_audience(story, (audience, hidden))

    async def say_audience(self, story: Story, rule: Rule) -> None:
        """PATCH until it is done."""
        audience, hidden = rule
        op = self.client.history.invoke(
            "audience", user=story.author, story=story.id, audience=audience, hidden=sorted(hidden)
        )
        change = story.rule.begin(rule, time.time())
        asked = {"audience": audience, "hide_from": sorted(hidden)}
        path = f"/v1/stories/{story.id}"
        answer = await self.client.until_known(
            op, lambda: self.client.once(story.author, "PATCH", path, json=asked), change
        )
        if answer.tells and not answer.good and change.over is None:
            story.rule.refuse(change)

    def provoke(self, rng: random.Random) -> None:
        """Take several things from people at once, in the background: stories, their audience, each other."""
        now = time.time()
        lasting = [each for each in self.model.stories if each.lives(now) and (each.expires_at or 0) > now + LASTING_S]
        chosen = rng.sample(lasting, min(len(lasting), 5))
        taking = [self.take_back(story) for story in chosen[:1]]
        taking += [self.say_audience(story, ("close_friends", frozenset())) for story in chosen[1:4]]
        taking += [self.block(story.author, rng) for story in chosen[4:]]
        going = {task for task in self.background if not task.done()}
        self.background = going | {asyncio.create_task(each) for each in taking}

    async def follow(self, user: str, rng: random.Random) -> None:
        """Follow somebody."""
        await self.decide("following", user, self._other(user, rng), on=True)

    async def unfollow(self, user: str, rng: random.Random) -> None:
        """Follow them no more."""
        await self.decide("following", user, self._other(user, rng), on=False)

    async def befriend(self, user: str, rng: random.Random) -> None:
        """Make somebody a close friend."""
        await self.decide("close-friends", user, self._other(user, rng), on=True)

    async def unfriend(self, user: str, rng: random.Random) -> None:
        """And no more."""
        await self.decide("close-friends", user, self._other(user, rng), on=False)

    async def block(self, user: str, rng: random.Random) -> None:
        """Fall out."""
        await self.decide("blocked", user, self._other(user, rng), on=True)

    async def unblock(self, user: str, rng: random.Random) -> None:
        """Make up, with whoever is blocked."""
        blocked = [target for target in self.model.users if self.model.edge("blocked", user, target).intended]
        if blocked:
            await self.decide("blocked", user, rng.choice(blocked), on=False)

    async def decide(self, kind: Kind, user: str, target: str, *, on: bool) -> None:
        """PUT or DELETE one edge until it is done. Two people and what is between them are one thing at a time."""
        async with self._pairs[frozenset({user, target})]:
            now = time.time()
            # While nobody can tell whether a block stands, nobody can tell whether a follow is kept.
            apart = self.model.apart(user, target, now, now)
            if kind != "blocked" and apart != {False}:
                return
            op = self.client.history.invoke(kind, user=user, target=target, on=on)
            changes = [self.model.edge(kind, user, target).begin(on, now)]
            if kind == "blocked" and on:
                changes += [
                    self.model.edge(each, *sides).begin(False, now)
                    for each in FORGET_FOLLOWS
                    for sides in ((user, target), (target, user))
                ]
            path = f"/v1/{kind}/{quote(target)}"
            await self.client.until_known(op, lambda: self.client.once(user, "PUT" if on else "DELETE", path), *changes)

    def _some(self, user: str, rng: random.Random) -> Story | None:
        """One of somebody's live stories, with some time left."""
        now = time.time()
        mine = [each for each in self.model.of(user) if each.lives(now) and (each.expires_at or 0) > now + 3]
        return rng.choice(mine) if mine else None

    def _other(self, user: str, rng: random.Random) -> str:
        return rng.choice([other for other in self.model.users if other != user])

"""Operations of users, each numbered in the history and recorded in the model."""

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
"""Maximum of live stories per author here; the quota is 100."""
FRAME = {"x": 0.5, "y": 0.5, "w": 0.2, "h": 0.1}
FORGET_FOLLOWS: tuple[Kind, ...] = ("following", "close-friends")


@dataclass
class Operations(EngagementOperations):
    """Posting, deleting, audiences and relationships."""

    pool: Sequence[Sample]
    rubbish: Sample
    lifetimes: Sequence[str]
    background: set[asyncio.Task[None]] = field(default_factory=set)
    _pairs: dict[frozenset[str], asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    async def post(self, user: str, rng: random.Random) -> None:
        """Create a story and publish it."""
        now = time.time()
        if sum(story.lives(now) is not False for story in self.model.of(user)) >= MOST_LIVE:
            return
        await self.posted(user, rng)

    async def posted(self, user: str, rng: random.Random, rule: Rule | None = None) -> Story:
        """A new story, as far as it could be brought live."""
        story = self._new_story(user, rng, rng.choice(self.pool), rule)
        await self.bring_live(story)
        return story

    async def post_rubbish(self, user: str, rng: random.Random) -> None:
        """Post a file that is not media: accepted first, then rejected."""
        await self.bring_live(self._new_story(user, rng, self.rubbish))

    def _new_story(self, user: str, rng: random.Random, sample: Sample, rule: Rule | None = None) -> Story:
        others = [other for other in self.model.users if other != user]
        if rule is None:
            rule = rng.choice(AUDIENCES), frozenset(rng.sample(others, 1) if rng.random() < 0.15 else [])
        audience, hidden = rule
        mentioned = rng.sample(others, 1) if rng.random() < 0.2 else []
        word = f"word{secrets.token_hex(8)}"
        asked: dict[str, Any] = {
            "media": {"content_type": sample.content_type, "size": len(sample.content)},
            "lifetime": rng.choice(self.lifetimes),
            "audience": audience,
            "hide_from": sorted(hidden),
            "caption": f"caption {word}",
            "alt_text": f"alt {word}",
            "layers": [
                {"kind": "text", "text": f"layer {word}", **FRAME},
                {"kind": "poll", "question": f"poll {word}", "options": ["yes", "no"], **FRAME},
                *({"kind": "mention", "user_id": each, **FRAME} for each in mentioned),
            ],
        }
        rules = Timeline(rule)
        story = Story(user, f"key-{secrets.token_hex(8)}", word, asked, sample, rules, mentions=frozenset(mentioned))
        self.model.add(story)
        return story

    async def bring_live(self, story: Story) -> None:
        """Create, upload and publish, as far as still needed; every step may be repeated."""
        what = "repost" if story.original else "post"
        op = self.client.history.invoke(what, user=story.author, key=story.key, word=story.word)
        if not await self._draft(op, story):
            return
        story.state = "publishing"
        publish = f"/v1/stories/{story.id}/publish"

        async def attempt() -> Answer:
            answer = await self.client.once(story.author, "POST", publish, params={"wait": 3})
            story.publish_answered = story.publish_answered or answer.good
            # 202 is not final. 409: nothing is uploaded, because the response of an upload was lost.
            if answer.status == 202:
                return Answer(503, answer.started, answer.ended)
            if answer.status == 409 and story.original is None and await self._upload(story):
                return Answer(503, answer.started, answer.ended)
            return answer

        answer = await self.client.until_known(op, attempt)
        if answer.status == 200:
            self._went_live(story, answer)
        elif answer.status == 422:
            story.state = "refused"
        elif answer.status == 404:
            await self._over_already(story)

    def _went_live(self, story: Story, answer: Answer) -> None:
        """Record the author's view of a live story."""
        story.live_at, story.state = answer.ended, "live"
        story.posted_at = datetime.fromisoformat(answer.body["posted_at"]).timestamp()
        story.expires_at = datetime.fromisoformat(answer.body["expires_at"]).timestamp()
        self.client.history.note("live", story=story.id, posted_at=story.posted_at, expires_at=story.expires_at)

    async def _over_already(self, story: Story) -> None:
        """Handle a story that went live and ended before that was seen, or that was cancelled."""
        receipt = await self.client.once(story.author, "GET", f"/v1/stories/{story.id}/receipt")
        if not receipt.conclusive:
            return
        story.state = "gone"
        if receipt.status == 200:
            story.state, story.expires_at = "live", datetime.fromisoformat(receipt.body["ended_at"]).timestamp()

    async def _draft(self, op: int, story: Story) -> bool:
        async def create() -> Answer:
            if story.original is None:
                return await self.client.once(story.author, "POST", "/v1/stories", key=story.key, json=story.request)
            path = f"/v1/stories/{story.original.id}/repost"
            return await self.client.once(story.author, "POST", path, key=story.key, ticket=story.ticket)

        if story.id is None:
            answer = await self.client.until_known(op, create)
            if answer.status != 201:
                if answer.conclusive and story.original is not None:  # ended, or not to be shared by this user
                    story.state = "refused"
                elif answer.conclusive:
                    self.client.wrong("a valid story is accepted", status=answer.status, body=answer.body)
                return False
            self.model.name(story, answer.body["id"])
            self.client.history.note("named", op=op, story=story.id)
        if story.state == "wanted":
            if story.original is None and not await self._upload(story):
                return False
            story.state = "drafted"
        return True

    async def _upload(self, story: Story) -> bool:
        """Request a new upload form and use it; False if that fails."""
        for _ in range(20):
            form = await self.client.once(story.author, "POST", f"/v1/stories/{story.id}/upload")
            if form.status == 200:
                sent = await self.client.timed(self.client.person(story.author).upload(form.body, story.sample), "")
                if sent.good:
                    return True
            elif form.conclusive:
                return False
            await asyncio.sleep(0.5)
        return False

    async def delete(self, user: str, rng: random.Random) -> None:
        """Delete a story."""
        if story := self._some(user, rng):
            await self.delete_story(story)

    async def delete_story(self, story: Story) -> None:
        """DELETE until it is done."""
        op = self.client.history.invoke("delete", user=story.author, story=story.id)
        change = story.deleted.begin(True, time.time())
        for repost in self.model.reposts(story):  # when it follows is unknown
            repost.deleted.begin(True, time.time())
        path = f"/v1/stories/{story.id}"
        answer = await self.client.until_known(op, lambda: self.client.once(story.author, "DELETE", path), change)
        if answer.conclusive and answer.status != 204:
            self.client.wrong("an author can delete a story", story=story.id, status=answer.status)

    async def change_audience(self, user: str, rng: random.Random) -> None:
        """Widen or narrow the audience of a story, or hide it from a user."""
        if story := self._some(user, rng):
            audience, hidden = story.rule.intended
            others = [other for other in self.model.users if other != user]
            if rng.random() < 0.4:
                hidden = frozenset(rng.sample(others, 1)) if not hidden else frozenset()
            else:
                audience = rng.choice([each for each in dict.fromkeys(AUDIENCES) if each != audience])
            await self.set_audience(story, (audience, hidden))

    async def set_audience(self, story: Story, rule: Rule) -> None:
        """PATCH until it is done."""
        audience, hidden = rule
        op = self.client.history.invoke(
            "audience", user=story.author, story=story.id, audience=audience, hidden=sorted(hidden)
        )
        asked = {"audience": audience, "hide_from": sorted(hidden)}
        await self.set_value(op, story.rule, rule, story.author, "PATCH", f"/v1/stories/{story.id}", json=asked)

    def provoke(self, rng: random.Random) -> None:
        """Revoke access several times in the background: deletions, narrower audiences, a block."""
        now = time.time()
        lasting = [each for each in self.model.stories if each.lives(now) and (each.expires_at or 0) > now + LASTING_S]
        chosen = rng.sample(lasting, min(len(lasting), 5))
        taking = [self.delete_story(story) for story in chosen[:1]]
        taking += [self.set_audience(story, ("close_friends", frozenset())) for story in chosen[1:4]]
        taking += [self.block(story.author, rng) for story in chosen[4:]]
        going = {task for task in self.background if not task.done()}
        self.background = going | {asyncio.create_task(each) for each in taking}

    async def follow(self, user: str, rng: random.Random) -> None:
        """Follow a user."""
        await self.decide("following", user, self._other(user, rng), on=True)

    async def follow_some(self, user: str, number: int) -> None:
        """Follow as many users as given, those next in the list."""
        at = self.model.users.index(user) + 1
        for target in [*self.model.users[at:], *self.model.users[:at]][:number]:
            await self.decide("following", user, target, on=True)

    async def unfollow(self, user: str, rng: random.Random) -> None:
        """Unfollow a user."""
        await self.decide("following", user, self._other(user, rng), on=False)

    async def befriend(self, user: str, rng: random.Random) -> None:
        """Add a close friend."""
        await self.decide("close-friends", user, self._other(user, rng), on=True)

    async def unfriend(self, user: str, rng: random.Random) -> None:
        """Remove a close friend."""
        await self.decide("close-friends", user, self._other(user, rng), on=False)

    async def block(self, user: str, rng: random.Random) -> None:
        """Block a user."""
        await self.decide("blocked", user, self._other(user, rng), on=True)

    async def unblock(self, user: str, rng: random.Random) -> None:
        """Unblock a blocked user."""
        blocked = [target for target in self.model.users if self.model.edge("blocked", user, target).intended]
        if blocked:
            await self.decide("blocked", user, rng.choice(blocked), on=False)

    async def decide(self, kind: Kind, user: str, target: str, *, on: bool) -> None:
        """PUT or DELETE one edge until it is done. Operations between two users are serialized."""
        async with self._pairs[frozenset({user, target})]:
            now = time.time()
            # While it is unknown whether a block exists, it is unknown whether a follow is kept.
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
        """A live story of the user with some time left."""
        now = time.time()
        mine = [each for each in self.model.of(user) if each.lives(now) and (each.expires_at or 0) > now + 3]
        return rng.choice(mine) if mine else None

    def _other(self, user: str, rng: random.Random) -> str:
        return rng.choice([other for other in self.model.users if other != user])

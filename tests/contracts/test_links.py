"""Every link of the OpenAPI can be followed, with documented responses."""

import asyncio
from functools import partial
from pathlib import Path

import pytest
from stories_shared.testing import eventually

from ..journeys.installation import Installation
from ..journeys.people import Person
from ..journeys.waiting import SOON
from .link_client import Client
from .link_guide import Walked
from .link_walk import walk

PEOPLE = 8
SEED = 1
ROUNDS = 20
"""An upper bound, far more than needed to follow every link."""
AT_LEAST = 3


async def busy_users(installation: Installation) -> Client:
    """Users with two stories, two followers, viewers and comments each, and two users on every list."""
    people = installation.people(*["walker"] * PEOPLE)
    client = Client(people, installation.admin())

    async def post_and_follow(number: int) -> None:
        person, one, other = (people[(number + step) % PEOPLE] for step in range(3))
        await person.follow(one, other)
        for name in ("muted", "blocked", "close-friends", "hidden-from"):
            for which in (1, 2):
                await person.done("PUT", f"/v1/{name}/{name}-{which}")
        story = await person.post()
        client.authors |= {story["id"]: person, (await person.post())["id"]: person}
        await asyncio.gather(*(engage(viewer, story) for viewer in (one, other)))

    async def engage(viewer: Person, story: dict[str, str]) -> None:
        item = await eventually(partial(viewer.item, story), SOON)
        await viewer.view(item)
        for text in ("hello", "there"):
            await viewer.comment(item, text)

    await asyncio.gather(*(post_and_follow(number) for number in range(PEOPLE)))
    return client


def full_walk(url: str, client: Client) -> Walked:
    """The complete walk: until every link was followed, within the least and the most rounds."""
    for number, walked in enumerate(walk(url, client, seed=SEED, rounds=ROUNDS), 1):
        if number >= AT_LEAST and not walked.missing:
            break
    return walked


@pytest.mark.timeout(420)
@pytest.mark.nightly
async def test_every_openapi_link_can_be_followed(installation: Installation, tmp_path: Path) -> None:
    walked = await asyncio.to_thread(full_walk, installation.stack.url, await busy_users(installation))
    (tmp_path / "ways").write_text(walked.report(), encoding="utf-8")
    assert not walked.failures, "\n\n".join(walked.failures.values())
    assert not walked.missing, f"never followed with success:\n{walked.report()}"
    assert len(walked.links) > 90

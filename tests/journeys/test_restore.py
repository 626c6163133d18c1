"""A database restored from a backup restores no erased data once `stories erasure replay` has run."""

import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from stories_shared.testing import eventually

from ..stacks import TEST_LIMITS, MakeStack, users_of
from .installation import Installation
from .people import Item
from .samples import Samples
from .waiting import ERASED, SOON, end_of

BACKED_UP = ("mongod", "s3")
A_WHILE = 60.0


@pytest_asyncio.fixture
async def own_installation(make_stack: MakeStack, samples: Samples) -> AsyncIterator[Installation]:
    """A stack that may be stopped and restored."""
    with make_stack(settings=TEST_LIMITS, short="30s") as stack:
        async with users_of(stack, samples) as installation:
            yield installation


def copy(source: Path, target: Path) -> None:
    """Copy databases and bucket of a stopped stack."""
    for name in BACKED_UP:
        shutil.rmtree(target / name, ignore_errors=True)
        shutil.copytree(source / name, target / name)


@pytest.mark.timeout(600)
@pytest.mark.nightly
async def test_erasures_since_the_backup_are_replayed(own_installation: Installation, tmp_path: Path) -> None:
    installation, stack = own_installation, own_installation.stack
    ann, bob, eve, mal, root = *installation.people("ann", "bob", "eve", "mal"), installation.admin()
    await bob.follow(ann, eve)
    await eve.follow(ann)
    kept, taken_back = await ann.post(caption="a caption that stays"), await ann.post(caption="a caption to take back")
    expiring = await ann.post(caption="a caption that expires", lifetime=installation.short)
    eves = await eve.post(caption="a caption of eve")
    item = await eventually(lambda: eve.item(kept), SOON)
    assert (await eve.comment(item, "signed, eve")).status_code == 201
    for story in (kept, taken_back, expiring, eves):
        await eventually(partial(bob.sees, story), SOON)

    began = datetime.now(UTC)
    assert stack.interrupt() == 0
    copy(stack.folder, tmp_path)
    stack.start()

    await ann.delete(taken_back)
    await ann.done("PUT", f"/v1/blocked/{mal.id}")
    await root.erase_account(eve, A_WHILE)
    await end_of(expiring)
    for story in (taken_back, expiring):
        await ann.complete_receipt(story, A_WHILE)
    assert stack.interrupt() == 0
    copy(tmp_path, stack.folder)
    stack.start()
    assert await eventually(lambda: bob.sees(taken_back), A_WHILE), (
        "the backup did not bring it back: nothing is proven"
    )
    assert await mal.sees(kept)

    output = await stack.run("erasure", "replay", "--since", (began - timedelta(minutes=1)).isoformat(), "--wait")
    assert {line.split()[0] for line in output.splitlines()} >= {"story-deleted", "story-expired", "user-erased"}

    assert not await bob.sees(taken_back)
    assert not await bob.sees(expiring)
    assert not await bob.sees(eves)
    assert not await mal.sees(kept)
    assert [story["id"] for story in await bob.reel(ann)] == [kept["id"]]
    assert (await ann.get(f"/v1/stories/{kept['id']}/comments"))["items"] == []
    assert (await eve.get("/v1/me/stories"))["items"] == []
    for story in (taken_back, expiring):
        await ann.complete_receipt(story)
    await root.account_receipt(eve)
    for story in (taken_back, expiring, eves):
        await eventually(partial(traces, installation, story), ERASED, accept=lambda left: not left)
    await eventually(lambda: stores_hold(installation, "signed, eve"), ERASED, accept=lambda left: not left)


async def traces(installation: Installation, story: Item) -> list[str]:
    """What databases and bucket have of a story beyond ids, times and counts."""
    return await stores_hold(installation, story["id"], str(story["caption"]))


async def stores_hold(installation: Installation, *texts: str) -> list[str]:
    return list(await (await installation.stores()).content(*texts))

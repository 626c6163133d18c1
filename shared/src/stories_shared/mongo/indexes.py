"""Indexes of this release beside those of the one before.

Two releases run side by side during a rollout, on one database. An index whose definition changed is therefore built
under another name (``ends``, then ``ends.2``), and the earlier one stays as long as old processes may need it: until
``init --settle``, the last step of a rollout. A changed time to live is changed in place. Nothing here makes a start
fail because an index looks different from what is wanted.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pymongo import IndexModel
from pymongo.errors import NetworkTimeout, OperationFailure

from stories_shared.runtime.logging import logger

Definition = dict[str, Any]
Collection = Any

log = logger(__name__)

TTL_NEVER = 2**31 - 1  # seconds; a time to live cannot be taken off an index, but it can be put off for 68 years
INDEX_NOT_FOUND, OPTIONS_CONFLICT, KEY_SPECS_CONFLICT = 27, 85, 86
MAX_ATTEMPTS = 5  # against another process that makes the same indexes at the same moment
MAX_BUILD_WAITS = 1_000  # for a build that outlasts the socket: each wait joins it again
IGNORED_OPTIONS = frozenset({"name", "v", "ns", "background", "expireAfterSeconds"})
NUMBERED = re.compile(r"(?P<base>.+?)(?:\.(?P<number>[2-9]|[1-9][0-9]+))?\Z")


class IndexWithoutName(ValueError):
    """An index goes by the name that MongoDB makes of its keys, so a changed one could not be told from another."""


async def ensure_indexes(database: Any, name: str, wanted: Iterable[IndexModel], *, settle: bool = False) -> None:
    """Make the indexes of a collection that are not there yet.

    Args:
        database: asynchronous, of either driver.
        name: the collection, which exists.
        wanted: each with a name of its own.
        settle: drop what an earlier release left under the same names, once its successors are built.

    Raises:
        Unnamed: an index has no name of its own.
    """
    models = [model.document for model in wanted]
    for model in models:
        if model["name"] == "_".join(f"{key}_{direction}" for key, direction in model["key"].items()):
            raise IndexWithoutName(f"{name}: give the index {model['name']} a name")
    for model in models:
        await _ensure_one(database, name, model)
    for left in superseded(await _list_indexes(database, name), models):
        if settle:
            await _drop(database[name], left)
        else:
            log.info("an index of an earlier release is still there", collection=name, index=left)


def superseded(there: Iterable[Definition], wanted: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names of indexes that others of the same base name stand for now, all of which are there."""
    there, wanted = list(there), list(wanted)
    met = [
        next((each["name"] for each in there if same(each, model) and ttl(each) == ttl(model)), None)
        for model in wanted
    ]
    bases = {base_name(model["name"]) for model, name in zip(wanted, met, strict=True) if name is not None}
    return [each["name"] for each in there if each["name"] not in met and base_name(each["name"]) in bases]


def base_name(name: str) -> str:
    """An index's name without the number that tells its definitions apart."""
    return str(NUMBERED.fullmatch(name)["base"])  # type: ignore[index]  # it matches every name


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two definitions are one, whatever their names and times to live."""
    return _comparable(one) == _comparable(other)


def ttl(definition: Mapping[str, Any]) -> int | None:
    """Its time to live in seconds; one that was put off counts as none."""
    seconds = definition.get("expireAfterSeconds")
    return None if seconds is None or seconds >= TTL_NEVER else int(seconds)


def _comparable(definition: Mapping[str, Any]) -> Definition:
    plain = {name: value for name, value in definition.items() if name not in IGNORED_OPTIONS and value is not False}
    return plain | {"key": list(plain["key"].items())}


async def _list_indexes(database: Any, name: str) -> list[Definition]:
    # Times in a filter come back aware, as they are wanted: an index would else never be known again.
    listing = {"listIndexes": name, "cursor": {"batchSize": 1_000}}
    answer = await database.command(listing, codec_options=database.codec_options)
    return [dict(each) for each in answer["cursor"]["firstBatch"]]


async def _ensure_one(database: Any, name: str, model: Mapping[str, Any]) -> None:
    for tries_left in reversed(range(MAX_ATTEMPTS)):
        try:
            await _try_one(database, name, model)
            return
        except OperationFailure as error:
            if error.code not in {OPTIONS_CONFLICT, KEY_SPECS_CONFLICT}:
                raise
            if not tries_left:
                log.error("an index is not as wanted", collection=name, index=model["name"], reason=str(error)[:500])


async def _try_one(database: Any, name: str, model: Mapping[str, Any]) -> None:
    there = await _list_indexes(database, name)
    alike = [each for each in there if same(each, model)]
    if any(ttl(each) == ttl(model) for each in alike):
        return
    if alike:
        seconds = TTL_NEVER if ttl(model) is None else ttl(model)
        change = {"name": alike[0]["name"], "expireAfterSeconds": seconds}
        await database.command({"collMod": name, "index": change})
        log.info("an index has another time to live now", collection=name, index=change["name"], seconds=seconds)
        return
    await _build(database[name], _next_free_name(model["name"], {each["name"] for each in there}), model)


def _next_free_name(name: str, taken: set[str]) -> str:
    number = 2
    free = name
    while free in taken:
        free, number = f"{name}.{number}", number + 1
    return free


async def _build(collection: Collection, name: str, model: Mapping[str, Any]) -> None:
    """Build an index, however long that takes: asking again for one that is being built waits for it."""
    options = {option: value for option, value in model.items() if option not in {"key", "name"}}
    for waits_left in reversed(range(MAX_BUILD_WAITS)):
        try:
            await collection.create_indexes([IndexModel(list(model["key"].items()), name=name, **options)])
            return
        except NetworkTimeout:
            if not waits_left:
                raise
            log.info("an index is still being built", collection=collection.name, index=name)


async def _drop(collection: Collection, name: str) -> None:
    try:
        await collection.drop_index(name)
    except OperationFailure as error:
        if error.code != INDEX_NOT_FOUND:  # another process was faster
            raise
    log.info("an index of an earlier release is dropped", collection=collection.name, index=name)

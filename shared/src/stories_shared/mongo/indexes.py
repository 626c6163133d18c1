"""Indexes of this release beside those of the previous one.

During a rollout two releases run on one database. So an index with a changed definition is built under another
name (``ends``, then ``ends.2``), and the old one stays until ``init --settle``, the last step of a rollout. A changed
TTL is changed in place. No start fails because an existing index differs.
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

TTL_NEVER = 2**31 - 1  # seconds: a TTL cannot be removed from an index, but it can be set to 68 years
INDEX_NOT_FOUND, OPTIONS_CONFLICT, KEY_SPECS_CONFLICT = 27, 85, 86
MAX_ATTEMPTS = 5  # against another process that creates the same indexes concurrently
MAX_BUILD_WAITS = 1_000  # for a build that outlasts the socket: each wait joins it again
IGNORED_OPTIONS = frozenset({"name", "v", "ns", "background", "expireAfterSeconds"})
NUMBERED = re.compile(r"(?P<base>.+?)(?:\.(?P<number>[2-9]|[1-9][0-9]+))?\Z")


async def ensure_indexes(database: Any, name: str, wanted: Iterable[IndexModel], *, settle: bool = False) -> None:
    """Create the missing indexes of a collection.

    Args:
        database: asynchronous, of either driver.
        name: the collection, which exists.
        wanted: each with an explicit name.
        settle: drop superseded indexes of an earlier release once their successors are built.

    Raises:
        ValueError: an index has no explicit name, so a changed definition could not be recognised.
    """
    models = [model.document for model in wanted]
    for model in models:
        if model["name"] == "_".join(f"{key}_{direction}" for key, direction in model["key"].items()):
            raise ValueError(f"{name}: give the index {model['name']} a name")
    for model in models:
        await _ensure_one(database, name, model)
    for left in superseded(await _list_indexes(database, name), models):
        if settle:
            await _drop(database[name], left)
        else:
            log.info("index_superseded", collection=name, index=left)


def superseded(existing: Iterable[Definition], wanted: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names of existing indexes that are replaced by existing ones of the same base name."""
    existing, wanted = list(existing), list(wanted)
    matched = [
        next((index["name"] for index in existing if same(index, model) and ttl(index) == ttl(model)), None)
        for model in wanted
    ]
    bases = {base_name(model["name"]) for model, name in zip(wanted, matched, strict=True) if name is not None}
    return [index["name"] for index in existing if index["name"] not in matched and base_name(index["name"]) in bases]


def base_name(name: str) -> str:
    """An index's name without the number of its definition."""
    return str(NUMBERED.fullmatch(name)["base"])  # type: ignore[index]  # it matches every name


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two definitions are equal, apart from their names and TTLs."""
    return _comparable(one) == _comparable(other)


def ttl(definition: Mapping[str, Any]) -> int | None:
    """The TTL in seconds; None without one, and for ``TTL_NEVER``."""
    seconds = definition.get("expireAfterSeconds")
    return None if seconds is None or seconds >= TTL_NEVER else int(seconds)


def _comparable(definition: Mapping[str, Any]) -> Definition:
    plain = {name: value for name, value in definition.items() if name not in IGNORED_OPTIONS and value is not False}
    return plain | {"key": list(plain["key"].items())}


async def _list_indexes(database: Any, name: str) -> list[Definition]:
    # Times in a filter must come back aware, or the index would never compare equal.
    listing = {"listIndexes": name, "cursor": {"batchSize": 1_000}}
    answer = await database.command(listing, codec_options=database.codec_options)
    return [dict(index) for index in answer["cursor"]["firstBatch"]]


async def _ensure_one(database: Any, name: str, model: Mapping[str, Any]) -> None:
    for tries_left in reversed(range(MAX_ATTEMPTS)):
        try:
            await _try_one(database, name, model)
            return
        except OperationFailure as error:
            if error.code not in {OPTIONS_CONFLICT, KEY_SPECS_CONFLICT}:
                raise
            if not tries_left:
                log.error("index_conflict", collection=name, index=model["name"], reason=str(error)[:500])


async def _try_one(database: Any, name: str, model: Mapping[str, Any]) -> None:
    existing = await _list_indexes(database, name)
    alike = [index for index in existing if same(index, model)]
    if any(ttl(index) == ttl(model) for index in alike):
        return
    if alike:
        seconds = TTL_NEVER if ttl(model) is None else ttl(model)
        change = {"name": alike[0]["name"], "expireAfterSeconds": seconds}
        await database.command({"collMod": name, "index": change})
        log.info("index_ttl_changed", collection=name, index=change["name"], seconds=seconds)
        return
    await _build(database[name], _next_free_name(model["name"], {index["name"] for index in existing}), model)


def _next_free_name(name: str, taken: set[str]) -> str:
    number = 2
    free = name
    while free in taken:
        free, number = f"{name}.{number}", number + 1
    return free


async def _build(collection: Collection, name: str, model: Mapping[str, Any]) -> None:
    """Build an index, however long it takes: repeating the command for an index in progress waits for it."""
    options = {option: value for option, value in model.items() if option not in {"key", "name"}}
    for waits_left in reversed(range(MAX_BUILD_WAITS)):
        try:
            await collection.create_indexes([IndexModel(list(model["key"].items()), name=name, **options)])
            return
        except NetworkTimeout:
            if not waits_left:
                raise
            log.info("index_build_waiting", collection=collection.name, index=name)


async def _drop(collection: Collection, name: str) -> None:
    try:
        await collection.drop_index(name)
    except OperationFailure as error:
        if error.code != INDEX_NOT_FOUND:  # another process was faster
            raise
    log.info("index_dropped", collection=collection.name, index=name)

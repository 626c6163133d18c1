"""`init` of each service on the database of an earlier release with other indexes."""

from importlib import import_module

import pytest
from pymongo import MongoClient
from stories_embedded.openapi import EXAMPLE
from stories_embedded.services import settings_class
from stories_shared.events.cloudevents import SERVICES
from stories_shared.runtime.settings import load

pytestmark = pytest.mark.servers


async def init(namespace, service, **options) -> None:
    """Run `init` of a service on the namespace."""
    kind = settings_class(service)
    given = {name.lower(): value for name, value in namespace.items() if name.lower() in kind.model_fields}
    await import_module(f"stories_{service}.app").init(load(kind, {**EXAMPLE, **given}), **options)


def indexes(namespace) -> dict[str, dict[str, dict]]:
    """All indexes of every collection except `_id`."""
    with MongoClient(namespace["MONGO_URL"]) as client:
        database = client[namespace["MONGO_DATABASE"]]
        return {
            name: {each: found for each, found in database[name].index_information().items() if "_id" not in each}
            for name in database.list_collection_names()
        }


def make_old(namespace) -> int:
    """Replace every index by one with the same name and other keys; returns their number."""
    with MongoClient(namespace["MONGO_URL"]) as client:
        database, changed = client[namespace["MONGO_DATABASE"]], 0
        for collection, found in indexes(namespace).items():
            for name, index in found.items():
                database[collection].drop_index(name)
                database[collection].create_index([*index["key"], ("old", 1)], name=name)
                changed += 1
        return changed


@pytest.mark.parametrize("service", SERVICES)
async def test_old_indexes_are_replaced_and_dropped_after_settle(namespace, service):
    await init(namespace, service)
    ours = indexes(namespace)
    assert make_old(namespace)
    old = indexes(namespace)
    await init(namespace, service)
    both = indexes(namespace)
    for collection, found in old.items():
        assert found.items() <= both[collection].items()
        assert len(both[collection]) == 2 * len(found)
    await init(namespace, service, settle=True)
    assert settled(indexes(namespace)) == settled(ours)


def settled(found: dict[str, dict[str, dict]]) -> dict[str, list[str]]:
    """The index definitions without their names."""
    return {name: sorted(str(sorted(each.items())) for each in indexes.values()) for name, indexes in found.items()}


@pytest.mark.parametrize("service", SERVICES)
async def test_repeated_init_changes_nothing(namespace, service):
    await init(namespace, service)
    once = indexes(namespace)
    await init(namespace, service, settle=True)
    assert indexes(namespace) == once

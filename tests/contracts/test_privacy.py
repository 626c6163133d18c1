"""docs/privacy.md names exactly the collections with personal data."""

import re
from typing import Any

import pytest
from pymongo import IndexModel
from stories_embedded.paths import CHECKOUT
from stories_engagement.store.schema import ensure_schema
from stories_expiry import store as expiry
from stories_feed import store as feed
from stories_ingest import store as ingest
from stories_shared.events import EVENTS

PAGE = (CHECKOUT / "docs" / "privacy.md").read_text(encoding="utf-8")
STORES = {"ingest": ingest.ensure, "feed": feed.ensure, "engagement": ensure_schema, "expiry": expiry.ensure}


class Made:
    """Records the collections that a store creates, and the TTL of their documents in seconds."""

    def __init__(self) -> None:
        self.kept: dict[str, list[int]] = {}

    async def ensure(self, name: str, *indexes: IndexModel, **options: Any) -> None:
        self.kept[name] = [
            index.document["expireAfterSeconds"] for index in indexes if "expireAfterSeconds" in index.document
        ]


@pytest.fixture
async def made() -> dict[str, list[int]]:
    """Every collection of every service."""
    found: dict[str, list[int]] = {}
    for service, ensure in STORES.items():
        store: Any = Made()
        await ensure(store)
        found |= {f"stories_{service}.{name}": kept for name, kept in store.kept.items()}
    return found


async def test_every_collection_of_every_service_is_named(made: dict[str, list[int]]) -> None:
    assert len(made) > 25
    assert set(re.findall(r"^\| `(stories_[a-z]+\.[a-z_]+)`", PAGE, re.MULTILINE)) == made.keys()


NAMES_ITS_TIME = ["stories_ingest.holds"]
"""Collections whose documents say when they go: 30 days after a time of their own."""


async def test_mongodb_ttl_equals_the_documented_30_days(made: dict[str, list[int]]) -> None:
    rows = re.findall(r"^\| `(stories_(?:ingest|feed|engagement)\.[a-z_]+)`.*30 days", PAGE, re.MULTILINE)
    assert len(rows) >= 9
    kept = {name: [30 * 24 * 3600] for name in rows} | {name: [0] for name in NAMES_ITS_TIME}
    assert {name: made[name] for name in rows} == kept


def test_every_topic_is_named() -> None:
    [table] = re.findall(r"## Kafka\n(.*?)\n## ", PAGE, re.DOTALL)
    assert set(re.findall(r"`((?:story|user|comment)-[a-z-]+)`", table)) == set(EVENTS)

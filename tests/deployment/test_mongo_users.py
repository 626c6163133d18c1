"""The users of MongoDB that deploy/compose/mongodb-init.js makes."""

import shutil

import pytest
from stories_shared.events.cloudevents import SERVICES

from tests.secured import NO_NODE, PASSWORDS, mongo_users


@pytest.mark.skipif(shutil.which("node") is None, reason=NO_NODE)
def test_each_service_may_touch_its_own_database_only() -> None:
    made = {each["user"]: each for each in mongo_users()}
    assert {name: each["pwd"] for name, each in made.items()} == {name: PASSWORDS[name] for name in made}
    for service in SERVICES:
        assert made[service]["roles"] == [{"role": "readWrite", "db": f"stories_{service}"}]
    assert made.keys() - SERVICES == {"operator", "monitor"}

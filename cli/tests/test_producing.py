"""produce and import-follows, on a real broker."""

import json
from pathlib import Path
from typing import Any

import pytest
from stories_shared.cloudevents import read
from stories_shared.events import UserFollowed, UserUnfollowed

pytestmark = pytest.mark.servers
FOLLOW = {"user_id": "ann", "target_id": "bob", "at": "2026-01-01T00:00:00Z"}


def test_an_event_is_said_as_an_outsider_with_key_and_headers(installation: Any) -> None:
    ran = installation.run("produce", "user-followed", json.dumps(FOLLOW))
    assert ran.exit_code == 0, ran.output
    (record,) = installation.records("user-followed")
    topic, partition, offset = ran.stdout.split()
    assert (topic, int(partition), int(offset)) == (record.topic, record.partition, record.offset)
    fact = read(record, UserFollowed)
    assert record.key == b"ann"
    assert (fact.event.target_id, fact.ours, fact.source) == ("bob", False, "/stories-cli")
    assert fact.id


def test_standard_input_has_an_event_a_line_and_bad_ones_do_not_stop_the_good(installation: Any) -> None:
    lines = [json.dumps(FOLLOW | {"target_id": target}) for target in ("bob", "eve")]
    ran = installation.run("produce", "user-unfollowed", "-", stdin="\n".join([lines[0], "{nonsense", "", lines[1]]))
    assert ran.exit_code == 1
    assert "line 2" in ran.stderr
    assert len(ran.stdout.splitlines()) == 2
    told = [read(record, UserUnfollowed).event.target_id for record in installation.records("user-unfollowed")]
    assert told == ["bob", "eve"]


@pytest.mark.parametrize(
    ("event", "fields", "code"),
    [
        ("user-followed", FOLLOW, 0),
        ("user-followed", {"user_id": "ann"}, 1),
        ("user-followed", FOLLOW | {"at": "2026-01-01T00:00:00"}, 1),
        ("user-befriended", FOLLOW, 2),
    ],
)
def test_checking_sends_nothing(installation: Any, event: str, fields: dict[str, str], code: int) -> None:
    assert installation.run("produce", event, json.dumps(fields), "--check").exit_code == code
    assert installation.records("user-followed") == []


def test_a_million_edges_would_be_imported_like_these_with_a_rate_and_the_bad_lines_named(
    installation: Any, tmp_path: Path
) -> None:
    file = tmp_path / "edges.csv"
    rows = ["user_id,target_id", *(f"u{number},ann" for number in range(2_000)), "not a user!,ann", ""]
    file.write_text("\n".join(rows))
    ran = installation.run("import-follows", str(file))
    assert ran.exit_code == 1
    assert "line 2002" in ran.stderr
    assert "2000 user-followed" in ran.stdout
    records = installation.records("user-followed")
    assert len({record.key for record in records}) == len(records) == 2_000


def test_a_command_without_settings_names_the_first_that_is_missing(installation: Any) -> None:
    del installation.settings["KAFKA_BOOTSTRAP_SERVERS"]
    ran = installation.run("produce", "user-followed", json.dumps(FOLLOW))
    assert ran.exit_code == 1
    assert "KAFKA_BOOTSTRAP_SERVERS" in ran.stderr


def test_an_env_file_says_where_the_installation_is(installation: Any, tmp_path: Path) -> None:
    file = tmp_path / "stories.env"
    file.write_text("".join(f"{name}={value}\n" for name, value in installation.settings.items()))
    installation.settings.clear()
    ran = installation.run("produce", "user-followed", json.dumps(FOLLOW), "--env-file", str(file))
    assert ran.exit_code == 0, ran.output

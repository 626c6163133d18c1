"""events and follows, on a real broker."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from stories_cli.follows import Import
from stories_shared.events import UserFollowed, UserUnfollowed
from stories_shared.events.cloudevents import decode_record

pytestmark = pytest.mark.servers
FOLLOW = {"user_id": "ann", "target_id": "bob", "at": "2026-01-01T00:00:00.000Z"}


def test_event_is_published_with_key_and_headers(installation: Any) -> None:
    ran = installation.run("events", "produce", "user-followed", json.dumps(FOLLOW))
    assert ran.exit_code == 0, ran.output
    (record,) = installation.records("user-followed")
    topic, partition, offset = ran.stdout.split()
    assert (topic, int(partition), int(offset)) == (record.topic, record.partition, record.offset)
    fact = decode_record(record, UserFollowed)
    assert record.key == b"ann"
    assert (fact.event.target_id, fact.is_internal, fact.source) == ("bob", False, "/stories-cli")
    assert fact.id


def test_tail_prints_every_record_of_a_topic_from_the_beginning(installation: Any) -> None:
    installation.run("events", "produce", "user-followed", json.dumps(FOLLOW))
    installation.put("user-followed", b"eve", None)
    ran = installation.run("events", "tail", "user-followed", "--from-beginning", "--until-end", "--json")
    assert ran.exit_code == 0, ran.output
    shown = [json.loads(line) for line in ran.stdout.splitlines()]
    assert {each["key"] for each in shown} == {"ann", "eve"}
    assert {each["topic"] for each in shown} == {"user-followed"}
    assert sorted(each["value"] is None for each in shown) == [False, True]
    (followed,) = [each for each in shown if each["value"]]
    assert json.loads(followed["value"]) == FOLLOW
    assert followed["headers"]["ce_type"] == "stories.user-followed.v1"


def test_tail_without_the_beginning_prints_nothing_old(installation: Any) -> None:
    installation.run("events", "produce", "user-followed", json.dumps(FOLLOW))
    ran = installation.run("events", "tail", "user-followed", "--until-end")
    assert (ran.exit_code, ran.stdout) == (0, "")


def test_tail_refuses_a_topic_that_does_not_exist(installation: Any) -> None:
    assert installation.run("events", "tail", "user-befriended").exit_code == 2


def test_invalid_lines_on_standard_input_do_not_stop_the_others(installation: Any) -> None:
    lines = [json.dumps(FOLLOW | {"target_id": target}) for target in ("bob", "eve")]
    ran = installation.run(
        "events", "produce", "user-unfollowed", "-", stdin="\n".join([lines[0], "{nonsense", "", lines[1]])
    )
    assert ran.exit_code == 1
    assert "line 2" in ran.stderr
    assert len(ran.stdout.splitlines()) == 2
    told = [decode_record(record, UserUnfollowed).event.target_id for record in installation.records("user-unfollowed")]
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
def test_check_publishes_nothing(installation: Any, event: str, fields: dict[str, str], code: int) -> None:
    assert installation.run("events", "produce", event, json.dumps(fields), "--check").exit_code == code
    assert installation.records("user-followed") == []


def test_import_publishes_edges_and_reports_rate_and_invalid_lines(installation: Any, tmp_path: Path) -> None:
    file = tmp_path / "edges.csv"
    rows = ["user_id,target_id", *(f"u{number},ann" for number in range(2_000)), "not a user!,ann", ""]
    file.write_text("\n".join(rows))
    ran = installation.run("follows", "import", str(file))
    assert ran.exit_code == 1
    assert "line 2002" in ran.stderr
    assert "2,000 edges in" in ran.stderr
    assert "a second" in ran.stderr
    assert "2000 user-followed" in ran.stdout
    records = installation.records("user-followed")
    assert len({record.key for record in records}) == len(records) == 2_000


def test_import_resumes_at_a_line_with_the_same_time(installation: Any, tmp_path: Path) -> None:
    file = tmp_path / "edges.csv"
    file.write_text("".join(f"u{number},ann\n" for number in range(10)))
    ran = installation.run("follows", "import", str(file), "--from-line", "8", "--at", "2026-01-01T00:00:00.000Z")
    assert ran.exit_code == 0, ran.output
    edges = [decode_record(record, UserFollowed).event for record in installation.records("user-followed")]
    assert sorted(edge.user_id for edge in edges) == ["u7", "u8", "u9"]
    assert {edge.at.isoformat() for edge in edges} == {"2026-01-01T00:00:00+00:00"}


def test_interrupted_import_prints_how_to_resume(installation: Any, tmp_path: Path) -> None:
    file = tmp_path / "edges.csv"
    file.write_text("".join(f"u{number},ann\n" for number in range(500_000)))
    command = [sys.executable, "-m", "stories_cli", "follows", "import", str(file), "--data", str(tmp_path / "none")]
    with subprocess.Popen(
        command,
        env={**os.environ, **installation.settings},
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests in the background have it ignored
    ) as process:
        deadline = time.monotonic() + 150
        while installation.size("user-followed") < 20_000:
            assert time.monotonic() < deadline
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        words = process.stderr.read().decode()
        assert process.wait(20) == 1
    found = re.search(r"interrupted; continue with: stories follows import \S+ --from-line (\d+) --at \S+Z", words)
    assert found, words
    assert int(found[1]) > 1
    told = {record.key for record in installation.records("user-followed")}
    assert {f"u{number}".encode() for number in range(int(found[1]) - 1)} <= told


@pytest.mark.parametrize(
    ("content", "edges", "wrong"),
    [
        (b'\xef\xbb\xbfuser_id,target_id\r\n"ann","bob"\r\n', 1, 0),  # as a spreadsheet writes it
        (b"ann,bob,2026-01-01T00:00:00.000Z\n\n , \nann,eve,\n", 2, 0),
        (b"ann,ann\nann\nann,bob,yesterday\n\xff\xfe,bob\nann,b\0b\n", 0, 5),
        (b'"ann,bob\n' + b"x" * 3_000_000 + b"\nann,eve\n", 2, 1),
        (b"".join(b"nobody,not a user!\n" for _ in range(1_000)), 0, 1_000),
        (b"", 0, 0),
    ],
)
def test_every_line_is_an_edge_or_reported_as_invalid(content: bytes, edges: int, wrong: int, tmp_path: Path) -> None:
    file = tmp_path / "edges.csv"
    file.write_bytes(content)
    work = Import(file, "2026-01-01T00:00:00.000Z")
    assert len(list(work.edges(1))) == edges
    assert work.invalid == wrong
    assert len(work.errors) == min(wrong, 20)


def test_a_command_without_settings_names_the_first_that_is_missing(installation: Any) -> None:
    del installation.settings["KAFKA_BOOTSTRAP_SERVERS"]
    ran = installation.run("events", "produce", "user-followed", json.dumps(FOLLOW))
    assert ran.exit_code == 1
    assert "KAFKA_BOOTSTRAP_SERVERS" in ran.stderr


def test_an_env_file_says_where_the_installation_is(installation: Any, tmp_path: Path) -> None:
    file = tmp_path / "stories.env"
    file.write_text("".join(f"{name}={value}\n" for name, value in installation.settings.items()))
    installation.settings.clear()
    ran = installation.run("events", "produce", "user-followed", json.dumps(FOLLOW), "--env-file", str(file))
    assert ran.exit_code == 0, ran.output

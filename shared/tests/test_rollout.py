"""The rollout policy and its file."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from stories_embedded.paths import CHECKOUT
from stories_shared.rollout import Policy, Switch, reason_against, schema
from stories_shared.rollout.file import PolicyError, PolicyFile, parse, read

USERS = [f"user-{number}" for number in range(2_000)]
EXAMPLE = CHECKOUT / "deploy" / "rollout.example.yaml"


def chosen(percentage: float, salt: str = "stories") -> set[str]:
    return {user for user in USERS if reason_against(Switch(percentage=percentage), salt, user, None) is None}


def test_a_growing_percentage_only_adds_users():
    sizes = [len(chosen(percentage)) for percentage in (0, 10, 50, 100)]
    assert chosen(0) < chosen(10) < chosen(50) < chosen(100)
    assert (sizes[0], sizes[3]) == (0, 2_000)
    assert sizes[1] == pytest.approx(200, abs=60)
    assert chosen(10) != chosen(10, "another salt")


def test_percentages_are_the_same_in_every_release():
    assert sorted(chosen(1))[:3] == ["user-134", "user-143", "user-146"]


@pytest.mark.parametrize(
    ("user", "country", "reason"),
    [
        ("mallory", "NL", "denied"),
        ("ann", None, None),
        ("bob", "FR", "country"),
        ("bob", None, "country"),
        ("bob", "nl", None),
    ],
)
def test_deny_comes_before_allow_before_country(user, country, reason):
    switch = Switch(
        countries=frozenset({"NL"}), allow=frozenset({"ann", "mallory"}), deny=frozenset({"mallory"}), percentage=100
    )
    assert reason_against(switch, "s", user, country) == reason


def test_an_absent_switch_is_on_for_everyone():
    assert parse(b"") == Policy()
    assert parse(b"create: {percentage: 0}").may_view("ann", None) is None


@pytest.mark.parametrize(
    "text",
    [
        b"[]",
        b"{",
        b"\xff",
        b"create: {percentage: 101}",
        b"create: {percent: 1}",
        b"create: {countries: []}",
        b"create: {countries: [NO]}\ncreates: {}",
        b"create: {deny: [not ok]}",
        b"pause: {publish_failures: 2}",
        b"view: !!python/object/apply:os.system [ls]",
    ],
)
def test_a_wrong_policy_is_refused(text):
    with pytest.raises(PolicyError):
        parse(text)


def test_a_wrong_file_keeps_the_last_good_policy(tmp_path: Path):
    path, reloads = tmp_path / "rollout.yaml", []
    path.write_text("create: {deny: [bob]}")
    file = PolicyFile(path, lambda succeeded, changed: reloads.append((succeeded, changed)))
    path.write_text("create: {percentage: many}")
    file.reload()
    assert file.policy.may_create("bob", None) == "denied"
    path.write_text("create: {deny: [cho]}")
    file.reload()
    assert (file.policy.may_create("bob", None), file.policy.may_create("cho", None)) == (None, "denied")
    path.unlink()
    file.reload()
    assert reloads == [(True, True), (False, False), (True, True), (False, False)]
    assert file.policy.may_create("cho", None) == "denied"


def test_a_file_that_is_wrong_at_the_start_is_named():
    with pytest.raises(PolicyError, match=r"No such file or directory: /missing\.yaml"):
        PolicyFile(Path("/missing.yaml"))


def test_example_matches_the_published_schema():
    published = json.loads((CHECKOUT / "deploy" / "rollout.schema.json").read_text())
    jsonschema.validate(yaml.safe_load(EXAMPLE.read_text()), published)
    assert read(EXAMPLE).may_create("mallory", "NL") == "denied"
    assert schema()["$defs"].keys() == published["$defs"].keys()

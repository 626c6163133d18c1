"""Every safeguard has guard tests that fail without it: they run with one safeguard disabled."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from stories_embedded.paths import CHECKOUT
from stories_embedded.testing import Servers, lend

from .switches import SABOTAGE, SWITCHES

SHARED, ENGAGEMENT = "shared/tests", "services/engagement/tests"
FEED, EXPIRY = "services/feed/tests", "services/expiry/tests"
GUARDS: Mapping[str, Sequence[str]] = {
    "acknowledge_first": [
        f"{SHARED}/test_subscriber.py::test_unfinished_records_are_redelivered_to_the_next_member",
    ],
    "framework_reads_headers": [
        f"{SHARED}/test_subscriber.py::test_invalid_null_and_reply_headers_are_ignored",
    ],
    "mark_cleared_unconditionally": [
        f"{SHARED}/test_outbox.py::test_change_during_publishing_is_published_last",
    ],
    "views_without_transaction": [
        f"{ENGAGEMENT}/test_exactness.py::test_aborted_batch_counts_once_after_redelivery",
    ],
    "no_overdue_look": [
        f"{EXPIRY}/test_service.py::test_overdue_stories_end_soon_after_start",
    ],
    "index_starts_after_its_snapshot": [
        f"{FEED}/test_faults.py::test_a_story_stored_while_an_index_loads_is_in_the_index",
    ],
    "ended_marks_ignored": [
        f"{FEED}/test_faults.py::test_a_story_republished_after_its_end_stays_gone_everywhere",
    ],
    "staleness_not_judged": [
        f"{FEED}/test_faults.py::test_while_kafka_is_frozen_items_are_503_and_trays_continue",
        f"{ENGAGEMENT}/test_replicas.py::test_stale_replica_responds_503",
    ],
}
"""Guard tests by safeguard."""


@dataclass(frozen=True)
class Outcome:
    """The result of one test: why it failed, or whether it could not run."""

    failures: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def red(self) -> bool:
        """Whether it ran and an assertion failed."""
        return any("AssertionError" in why or why.startswith("assert ") for why in self.failures)


def run(tests: Sequence[str], servers: Servers, tmp_path: Path, sabotage: str = "") -> Mapping[str, Outcome]:
    """Run these tests in their own process, on the servers of this session."""
    report = tmp_path / "report.xml"
    options = ["-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.sabotage.switches", *options, *tests],
        cwd=CHECKOUT,
        env={**os.environ, **lend(servers, breakable=True), SABOTAGE: sabotage},
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert ran.returncode in {0, 1}, ran.stdout + ran.stderr
    found: dict[str, Outcome] = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        # A test that fails and then breaks while it is torn down has two entries.
        outcome = found.setdefault(f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}", Outcome())
        outcome.failures.extend(str(each.get("message")) for each in case.iter("failure"))
        for each in (*case.iter("error"), *case.iter("skipped")):
            outcome.broken.append(f"{each.get('message')}: {each.text}")
    return found


def of(guard: str, outcomes: Mapping[str, Outcome]) -> list[Outcome]:
    """The outcomes of a guard, which may have parameters."""
    return [outcome for name, outcome in outcomes.items() if name.split("[")[0] == guard]


def test_every_sabotage_switch_has_guard_tests() -> None:
    assert set(GUARDS) == set(SWITCHES)


def test_guard_tests_pass_with_every_safeguard(servers: Servers, tmp_path: Path) -> None:
    guards = [guard for guards in GUARDS.values() for guard in guards]
    outcomes = run(guards, servers, tmp_path)
    for guard in guards:
        found = of(guard, outcomes)
        assert found, f"{guard} was not run: {sorted(outcomes)}"
        assert not any(outcome.failures or outcome.broken for outcome in found), f"{guard}: {found}"


@pytest.mark.parametrize("sabotage", GUARDS)
def test_guard_tests_fail_without_their_safeguard(sabotage: str, servers: Servers, tmp_path: Path) -> None:
    outcomes = run(GUARDS[sabotage], servers, tmp_path, sabotage)
    for guard in GUARDS[sabotage]:
        found = of(guard, outcomes)
        assert found, f"{guard} was not run: {sorted(outcomes)}"
        assert all(outcome.red for outcome in found), f"{guard} did not go red: {found}"

"""Rules are valid; every alert has a firing test, a silent test and a runbook page."""

import re
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Histogram
from stories_shared.runtime.metrics import MetricsRegistry

from tools.codegen.metrics import SAME_EVERYWHERE, SERVICES, metrics_of

from .sources import (
    GRAFANA,
    PROMETHEUS,
    RULE_TESTS,
    RULES,
    RUNBOOKS,
    alerts,
    document,
    measured,
    panel_queries,
    rule_queries,
    rules,
)

METRICS = {metric.name: metric for kind in SERVICES.values() for metric in metrics_of(kind)}
QUERIES = [*panel_queries(), *rule_queries()]
WINDOWS = {"5m", "30m", "1h", "6h"}


def promtool(*arguments: object) -> None:
    done = subprocess.run(["promtool", *map(str, arguments)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.needs_prometheus
def test_the_rules_and_the_configuration_are_valid() -> None:
    promtool("check", "rules", *RULES)
    promtool("check", "config", PROMETHEUS / "prometheus.yml")


@pytest.mark.needs_prometheus
@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_alert_rules_pass_their_promtool_tests(path: Any) -> None:
    promtool("test", "rules", path)


def test_every_alert_has_a_firing_and_a_silent_test() -> None:
    fired: set[tuple[str, frozenset[tuple[str, str]]]] = set()
    silent: set[str] = set()
    for path in RULE_TESTS:
        for case in (case for test in document(path)["tests"] for case in test["alert_rule_test"]):
            expected = case["exp_alerts"]
            fired |= {(case["alertname"], frozenset(each["exp_labels"].items())) for each in expected}
            if not expected:
                silent.add(case["alertname"])
    for alert in alerts():
        own = set(alert["labels"].items())
        assert any(name == alert["alert"] and own <= labels for name, labels in fired), f"{alert['alert']} never fires"
        assert alert["alert"] in silent, f"{alert['alert']} is never silent"


def test_every_alert_has_a_runbook_page_and_every_page_an_alert() -> None:
    assert sorted(page.stem for page in RUNBOOKS.glob("Stories*.md")) == sorted({alert["alert"] for alert in alerts()})
    for alert in alerts():
        assert alert["annotations"]["runbook_url"].endswith(f"/runbooks/{alert['alert']}.md")
        assert alert["annotations"]["summary"]
        assert alert["labels"]["severity"] in {"page", "ticket"}


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("Stories*.md")), ids=lambda page: page.stem)
def test_a_runbook_page_names_the_severities_of_its_alert(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.stem}\n")
    severities = {alert["labels"]["severity"] for alert in alerts() if alert["alert"] == page.stem}
    [line] = re.findall(r"^\*\*Severity:\*\* .*$", text, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", line)) == severities
    sections = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert sections == ["Meaning", "Impact", "Diagnosis", "Mitigation"]


def test_the_runbook_index_lists_every_page() -> None:
    index = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| \[(\w+)\]\(\1\.md\)", index, re.MULTILINE)) == {a["alert"] for a in alerts()}


def test_each_slo_has_the_same_expression_in_all_windows() -> None:
    shapes: dict[str, dict[str, str]] = defaultdict(dict)
    for rule in rules():
        if "record" in rule:
            window = rule["record"].removeprefix("stories:slo_errors:ratio_rate")
            shapes[rule["labels"]["slo"]][window] = rule["expr"].replace(f"[{window}]", "[]")
    assert shapes.keys() == {"requests", "edge", "tray", "visible", "ended", "erased", "counted"}
    for by_window in shapes.values():
        assert by_window.keys() == WINDOWS
        assert len(set(by_window.values())) == 1
        assert "[]" in by_window["5m"]


def test_each_slo_threshold_is_a_histogram_bucket() -> None:
    made = [metric for kind in SERVICES.values() for metric in vars(kind(MetricsRegistry())).values()]
    bounds = {each._name: {str(bound) for bound in each._upper_bounds} for each in made if isinstance(each, Histogram)}
    buckets = [re.findall(r'(stories_\w+)_bucket\{[^}]*le="([\d.]+)"', query.expr) for query in QUERIES]
    found = {pair for pairs in buckets for pair in pairs}
    assert {bound for _, bound in found} == {"0.1", "1.0", "10.0", "60.0"}
    for metric, bound in found:
        assert bound in bounds[metric]


@pytest.mark.parametrize("gauge", [name for name in METRICS if "oldest" in name or "overdue" in name])
def test_each_backlog_gauge_has_an_alert_threshold(gauge: str) -> None:
    assert any(re.search(rf"\b{gauge}\b.* > ", alert["expr"]) for alert in alerts())


def test_queries_name_metrics_and_labels_that_exist() -> None:
    for query in QUERIES:
        for name, matchers in re.findall(r"\b(stories_\w+)(\{[^}]*\})?", query.expr):
            metric = METRICS.get(name) or METRICS[re.sub(r"_(bucket|count|sum)$", "", name)]
            labels = set(re.findall(r"(\w+)(?:=|!=|=~|!~)\"", matchers))
            assert labels <= {*metric.labels, "le", "job", "instance"}, query


def test_replicated_gauges_are_never_summed_over_replicas() -> None:
    for query in QUERIES:
        for name in SAME_EVERYWHERE:
            assert not re.search(rf"(sum|avg)( by \([^)]*\))? ?\({name}\b", query.expr), query


def test_queries_return_no_constant_without_data() -> None:
    assert not [query for query in QUERIES if "vector(" in query.expr]


def test_compose_scrapes_each_service_under_its_name() -> None:
    jobs = {each["job_name"]: each for each in document(PROMETHEUS / "prometheus.yml")["scrape_configs"]}
    services = {"ingest", "feed", "engagement", "expiry"}
    assert jobs.keys() == {*services, "gateway", "kafka-exporter", "mongodb-exporter"}
    for name, job in jobs.items():
        assert job["dns_sd_configs"][0]["names"][0] == name
    datasources = document(GRAFANA / "provisioning" / "datasources" / "prometheus.yml")["datasources"]
    assert [each["type"] for each in datasources] == ["prometheus"]
    assert document(GRAFANA / "provisioning" / "dashboards" / "stories.yml")["providers"]


def test_alert_expression_has_a_value_when_it_does_not_fire() -> None:
    assert measured('a{b!="c>d"} > 1 and d == 0') == 'a{b!="c>d"} > bool 1 and d == bool 0'
    assert measured('absent(up{job="x"} == 1)') == 'up{job="x"} == bool 1'

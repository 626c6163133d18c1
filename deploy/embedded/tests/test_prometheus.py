"""The Prometheus of `stories up --observe`."""

import json
import shutil
from pathlib import Path

import pytest
from stories_embedded.data_dir import DataDir
from stories_embedded.paths import NotInstalled
from stories_embedded.prometheus import RULES, Prometheus
from stories_embedded.topology import Options, plan_stack
from stories_shared.events.cloudevents import SERVICES

EVERYTHING_RUNS_ELSEWHERE = {
    "MONGO_URL": "mongodb://db.example",
    "KAFKA_BOOTSTRAP_SERVERS": "kafka.example:9092",
    "S3_ENDPOINT": "s3.example",
}


def test_missing_prometheus_is_reported_with_its_install_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotInstalled, match="sudo apt-get install -y prometheus"):
        plan_stack(DataDir(tmp_path), Options(gateway_port=0, observe=True), EVERYTHING_RUNS_ELSEWHERE)


def test_it_scrapes_every_replica_and_loads_every_rule(tmp_path: Path) -> None:
    targets = {service: [f"127.0.0.1:{port}" for port in (1, 2)] for service in SERVICES}
    made = Prometheus(tmp_path, 9090, targets, Path(shutil.which("true") or "true"))
    made.prepare()
    config = json.loads((tmp_path / "prometheus.yml").read_text())
    assert {each["job_name"]: each["static_configs"][0]["targets"] for each in config["scrape_configs"]} == targets
    assert config["rule_files"] == [str(RULES / "*.yml")]


def test_prometheus_runs_only_on_request(tmp_path: Path) -> None:
    plan = plan_stack(DataDir(tmp_path), Options(gateway_port=0), EVERYTHING_RUNS_ELSEWHERE)
    assert not plan.monitoring

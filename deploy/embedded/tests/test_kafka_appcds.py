"""The AppCDS archives of `make install` are used, and are optional."""

import subprocess
from pathlib import Path

import pytest
from stories_embedded import jars, kafka_appcds
from stories_embedded.paths import java


def loaded(options: list[str]) -> tuple[str, str]:
    """Kafka's output without arguments, and the source of its main class."""
    run = subprocess.run(
        [java(), "-XX:+UseSerialGC", "-Xlog:class+load", *options, "-cp", jars.classpath(), "kafka.Kafka"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return run.stdout + run.stderr, next(line for line in run.stdout.splitlines() if " kafka.Kafka source: " in line)


def test_jvm_loads_kafka_classes_from_the_installed_archive() -> None:
    before = (jars.cds_archive() / jars.ARCHIVE).stat().st_mtime_ns
    assert (kafka_appcds.install() / jars.ARCHIVE).stat().st_mtime_ns == before, "nothing is made a second time"
    printed, origin = loaded(jars.cds_flags())
    assert "USAGE" in printed
    assert "shared objects file" in origin


def test_truncated_archive_only_costs_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = (jars.cds_archive() / jars.ARCHIVE).read_bytes()
    (tmp_path / jars.ARCHIVE).write_bytes(whole[: len(whole) // 2])
    monkeypatch.setattr(jars, "cds_archive", lambda: tmp_path)
    printed, origin = loaded(jars.cds_flags())
    assert "USAGE" in printed
    assert ".jar" in origin


def test_missing_archive_is_not_requested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "cds_archive", lambda: tmp_path)
    assert not any("SharedArchiveFile" in option for option in jars.cds_flags())

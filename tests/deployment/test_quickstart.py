"""The trial on Kubernetes: stores as in compose, the secrets that the charts read, and `make kind`."""

import re
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pymongo.uri_parser import parse_uri
from stories_embedded.paths import CHECKOUT
from stories_shared.events.cloudevents import SERVICES

from .charts import Manifest, containers, of_kind, pods, rendered

PASSWORD = "p+q %/@:$#?x"
TOOLS = ("docker", "kind", "kubectl", "helm", "openssl")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the scripts use of a checkout, and the secrets of `make secrets` in it."""
    for name in ("kind.sh", "secrets.sh", "helm/secrets.sh", "helm/stories/Chart.yaml"):
        copy = tmp_path / "deploy" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / "deploy" / name, copy)
    subprocess.run(["sh", tmp_path / "deploy" / "secrets.sh"], check=True, capture_output=True)
    return tmp_path


def printed(checkout: Path) -> dict[str, dict[str, str]]:
    """What deploy/helm/secrets.sh prints: the decoded entries of each object by its name."""
    script = checkout / "deploy" / "helm" / "secrets.sh"
    run = subprocess.run(["sh", script], check=True, capture_output=True, text=True)
    return {
        each["metadata"]["name"]: {
            key: b64decode(value).decode() for key, value in (each.get("data") or each["binaryData"]).items()
        }
        for each in yaml.safe_load_all(run.stdout)
    }


def references(manifests: tuple[Manifest, ...]) -> Iterator[tuple[str, set[str]]]:
    """Every secret and config map that pods mount and the release does not contain, with the keys that they read."""
    contained = {manifest["metadata"]["name"] for manifest in of_kind(manifests, "ConfigMap")}
    for _, pod in pods(manifests):
        yield from ((name, keys) for name, keys in references_of(pod) if name not in contained)


def references_of(pod: Manifest) -> Iterator[tuple[str, set[str]]]:
    """Every secret and config map that a pod mounts, with the keys that it reads."""
    for volume in pod["spec"]["volumes"]:
        for source in (*volume.get("projected", {}).get("sources", []), volume):
            if found := source.get("secret") or source.get("configMap"):
                yield found["name"], {item["key"] for item in found.get("items", [])}


@pytest.mark.needs_deploy_tools
def test_secrets_script_prints_every_secret_that_the_charts_read(checkout: Path) -> None:
    made = printed(checkout)
    read = list(references(rendered("stories", "quickstart")))
    assert {name for name, _ in read} == made.keys()
    for name, keys in read:
        assert keys <= made[name].keys(), name
    assert made["stories-jwks"]["jwks.json"] == (checkout / ".secrets" / "jwks.json").read_text().strip()


@pytest.mark.needs_deploy_tools
def test_stores_read_only_secrets_that_the_script_prints(checkout: Path) -> None:
    made = printed(checkout)["stories-stores"]
    init = (CHECKOUT / "deploy" / "compose" / "mongodb-init.js").read_text()
    users = set(re.findall(r"\b(root|ingest|feed|engagement|expiry|operator|monitor)\b", init))
    passwords = {f"MONGO_{user.upper()}_PASSWORD" for user in users}
    read = {
        name.partition("/")[2]: keys
        for name, pod in pods(rendered("stores", "quickstart"))
        for secret, keys in references_of(pod)
        if secret == "stories-stores"
    }
    (job,) = [name for name in read if name.startswith("mongodb-init-")]
    assert read == {
        job: passwords,
        "mongodb": {"MONGO_ROOT_PASSWORD", "MONGO_REPLICA_KEY"},
        "s3": {"S3_ACCESS_KEY", "S3_SECRET_KEY"},
    }
    assert all(made[key] for keys in read.values() for key in keys)


@pytest.mark.parametrize("quoted", [f"'{PASSWORD}'", f'"{PASSWORD}"'.replace("$", r"\$")])
def test_passwords_of_any_characters_reach_the_database_url(checkout: Path, quoted: str) -> None:
    with (checkout / ".env").open("a") as file:
        file.write(f"export MONGO_FEED_PASSWORD={quoted}\n")
    subprocess.run(["sh", checkout / "deploy" / "secrets.sh"], check=True, capture_output=True)
    made = printed(checkout)
    found = parse_uri(made["stories-mongodb-feed"]["url"])
    assert (found["username"], found["password"]) == ("feed", PASSWORD)
    assert made["stories-stores"]["MONGO_FEED_PASSWORD"] == PASSWORD
    assert found["options"]["replicaSet"] == "rs0"


def test_secrets_script_names_the_value_that_is_missing(checkout: Path) -> None:
    (checkout / ".secrets" / "S3_SECRET_KEY").unlink()
    script = checkout / "deploy" / "helm" / "secrets.sh"
    run = subprocess.run(["sh", script], check=False, capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr.startswith("S3_SECRET_KEY is not in ")


@pytest.mark.needs_deploy_tools
def test_stores_run_the_images_that_compose_runs() -> None:
    files = (CHECKOUT / "docker-compose.yml", CHECKOUT / "deploy" / "compose.seaweedfs.yml")
    composed = {
        service["image"] for file in files for service in loaded(file)["services"].values() if "image" in service
    }
    found = {container["image"] for _, pod in pods(rendered("stores", "quickstart")) for container in containers(pod)}
    assert len(found) == 3
    assert found <= composed


def loaded(file: Path) -> Manifest:
    """A compose file; `!override` is compose's own tag."""
    found: Manifest = yaml.safe_load(file.read_text().replace("!override", ""))
    return found


@pytest.mark.needs_deploy_tools
def test_uninstalling_stores_deletes_their_volumes() -> None:
    kept = [
        each["spec"].get("persistentVolumeClaimRetentionPolicy") for each in of_kind(rendered("stores"), "StatefulSet")
    ]
    assert kept == [{"whenDeleted": "Delete", "whenScaled": "Retain"}] * 3


@pytest.mark.needs_deploy_tools
def test_services_find_every_store_at_its_name_and_port() -> None:
    manifests = rendered("stories", "quickstart")
    ports = {
        f"{service['metadata']['name']}:{port['port']}"
        for service in of_kind(manifests, "Service")
        for port in service["spec"]["ports"]
    }
    given = {
        entry["name"]: entry["value"]
        for _, pod in pods(manifests)
        for container in containers(pod)
        for entry in container["env"]
    }
    assert {given["KAFKA_BOOTSTRAP_SERVERS"], given["S3_ENDPOINT"], "mongodb:27017"} <= ports
    assert given["KAFKA_ADVERTISED_LISTENERS"] == "INTERNAL://kafka:9092"


@pytest.mark.needs_deploy_tools
def test_documented_port_forwards_lead_to_the_signed_addresses() -> None:
    manifests = rendered("stories", "quickstart")
    ports = {
        (service["metadata"]["name"], str(port["port"]))
        for service in of_kind(manifests, "Service")
        for port in service["spec"]["ports"]
    }
    signed = yaml.safe_load((CHECKOUT / "deploy" / "helm" / "examples" / "quickstart.yaml").read_text())["global"]
    for file in ("docs/deploying.md", "deploy/kind.sh"):
        text = (CHECKOUT / file).read_text()
        forwards = re.findall(r"port-forward service/(\S+) (\d+):(\d+)", text)
        assert {(name, port) for name, _, port in forwards} <= ports
        assert {local for _, local, _ in forwards} == {
            address.rpartition(":")[2] for address in (signed["publicUrl"], signed["s3"]["publicEndpoint"])
        }


@pytest.mark.needs_deploy_tools
@pytest.mark.parametrize("example", ["minimal", "production", "small"])
def test_only_the_quickstart_brings_stores(example: str) -> None:
    assert not list(of_kind(rendered("stories", example), "StatefulSet"))
    assert len(list(of_kind(rendered("stories", "quickstart"), "StatefulSet"))) == 3


def run_kind(checkout: Path, tools: dict[str, str]) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run deploy/kind.sh with these programs alone, each a line of shell; also what was called."""
    programs = checkout / "programs"
    shutil.rmtree(programs, ignore_errors=True)
    programs.mkdir()
    text = ("awk", "sed", "grep", "tail", "od", "tr", "base64", "cat")
    for name in ("sh", "dirname", "touch", "chmod", "mkdir", "rm", *text):
        (programs / name).symlink_to(str(shutil.which(name)))
    log = checkout / "called"
    log.write_text("")
    for name, body in tools.items():
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {log}\n{body}\n')
        (programs / name).chmod(0o755)
    command = [str(programs / "sh"), str(checkout / "deploy" / "kind.sh")]
    environment = {"PATH": str(programs)}
    run = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=60)
    return run, log.read_text().splitlines()


def test_kind_names_every_tool_that_is_missing(checkout: Path) -> None:
    run, _ = run_kind(checkout, {"openssl": "exit 0"})
    assert run.returncode == 1
    assert "docker kind kubectl helm\n" in run.stderr


def test_kind_says_that_no_docker_daemon_answers(checkout: Path) -> None:
    run, called = run_kind(checkout, dict.fromkeys(TOOLS, "exit 0") | {"docker": "exit 1"})
    assert run.returncode == 1
    assert "none answers" in run.stderr
    assert called == ["docker info"]


@pytest.mark.needs_deploy_tools
def test_kind_loads_the_images_of_the_charts_and_installs_the_quickstart(checkout: Path) -> None:
    stdin = {"kubectl": f'case "$*" in *apply*) cat >> {checkout / "applied"};; esac'}
    run, called = run_kind(checkout, dict.fromkeys(TOOLS, "exit 0") | stdin)
    assert run.returncode == 0, run.stderr
    (loads,) = [line for line in called if line.startswith("kind load docker-image")]
    own = {
        container["image"]
        for _, pod in pods(rendered("stories", "quickstart"))
        for container in containers(pod)
        if "stories-" in container["image"]
    }
    assert len(own) == len(SERVICES)
    assert own == {word for word in loads.split() if ":" in word}
    (install,) = [line for line in called if line.startswith("helm ")]
    assert install.startswith("helm upgrade --install stories deploy/helm/stories ")
    assert install.endswith("--values deploy/helm/examples/quickstart.yaml")
    applied = {each["metadata"]["name"] for each in yaml.safe_load_all((checkout / "applied").read_text())}
    assert applied == printed(checkout).keys()


def test_kind_keeps_a_cluster_that_is_there(checkout: Path) -> None:
    there = {"kind": 'test "$*" != "get clusters" || echo stories'}
    _, again = run_kind(checkout, dict.fromkeys(TOOLS, "exit 0") | there)
    assert "kind get clusters" in again
    assert not [line for line in again if line.startswith("kind create")]
    _, first = run_kind(checkout, dict.fromkeys(TOOLS, "exit 0"))
    assert [line for line in first if line.startswith("kind create cluster --name stories")]

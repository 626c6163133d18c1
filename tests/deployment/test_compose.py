"""The properties of docker-compose.yml, as the real docker compose reads it, in every variant."""

import json
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from stories_embedded.paths import CHECKOUT
from stories_shared.auth.dev_tokens import key_id, read_key
from stories_shared.auth.jwks import check
from stories_shared.events.cloudevents import SERVICES

from .compose import COMPLETED, VARIANTS, Variant, compose, make_secrets, one_shots, replicas, secrets, services

DRAINS_S = {"gateway": 4, **dict.fromkeys([*SERVICES, "ingest-worker"], 10)}
SEALED_IMAGES = {"mongodb-exporter"}  # without a program for a health check
# What images declare, by `docker image inspect`: a container gets a new one of each that nothing is mounted on.
IMAGE_VOLUMES = {
    "apache/kafka": {"/etc/kafka/secrets", "/mnt/shared/config", "/var/lib/kafka/data"},
    "library/mongo": {"/data/db", "/data/configdb"},
    "minio/minio": {"/data"},
    "chrislusf/seaweedfs": {"/data"},
    "prom/prometheus": {"/prometheus"},
}
ONLY_BY_ENVIRONMENT = {"mongodb-exporter": "MONGODB_PASSWORD"}  # docs/security.md
SECRET_NAMES = (
    *(f"MONGO_{name}_PASSWORD" for name in ("ROOT", "INGEST", "FEED", "ENGAGEMENT", "EXPIRY", "OPERATOR", "MONITOR")),
    *(
        f"KAFKA_{name}_PASSWORD"
        for name in ("INGEST", "FEED", "ENGAGEMENT", "EXPIRY", "OPERATOR", "MONITOR", "PRODUCER")
    ),
    *("MONGO_REPLICA_KEY", "S3_ACCESS_KEY", "S3_SECRET_KEY", "TICKET_KEYS", "GRAFANA_PASSWORD"),
)
PASSWORD = "p+q %/@:$#?x"
# As written in .env, and what Compose reads.
READ_FROM_ENV = {
    "=p+q%/@:x": "p+q%/@:x",
    "=a=b": "a=b",
    "=  a b  ": "a b",
    "=a # a comment": "a",
    "=a#b": "a#b",
    "=#a": "#a",
    "=it's": "it's",
    '=a"b"': 'a"b"',
    "=a\\b\\n": "a\\b\\n",
    "=a$$b$$$$": "a$b$$",
    "=ü€": "ü€",
    " = a": "a",
    ": a": "a",
    "=a\r": "a",
    f"='{PASSWORD}'": PASSWORD,
    f"='{PASSWORD}' # a comment": PASSWORD,
    "=' a '": " a ",
    "='a\"b'": 'a"b',
    "='a\\b\\\\n'": "a\\b\\\\n",
    "='a$$b${c}'": "a$$b${c}",
    "='a\nb=c\n'": "a\nb=c\n",
    "='\t'": "\t",
    '="a\'b # c"': "a'b # c",
    '="a\\"b\\\\c\\$d$$e"': 'a"b\\c$d$e',
    '="a\nb"': "a\nb",
}
REFUSED = ["a$b", "${a}", "a$#b", '"$a"', '"a\\nb"', "'a\\'", "'a\\'b'", "'a'b", "'a", '"a', "''", '""']
NEEDED_CAPABILITIES = {"gateway": ["NET_BIND_SERVICE"]}

pytestmark = pytest.mark.needs_deploy_tools


@pytest.fixture(scope="module")
def env_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The .env that `make secrets` writes."""
    return secrets(tmp_path_factory.mktemp("secrets"))


@pytest.fixture(params=VARIANTS, ids=str)
def variant(request: pytest.FixtureRequest) -> Variant:
    """Every override with every profile."""
    found: Variant = request.param
    return found


@pytest.fixture
def found(variant: Variant, env_file: Path) -> dict[str, dict[str, Any]]:
    """The services of the variant."""
    return services(variant, env_file)


def test_compose_accepts_the_file(variant: Variant, env_file: Path) -> None:
    run = compose(variant, env_file, "config", "-q")
    assert (run.returncode, run.stderr) == (0, "")


def test_every_one_shot_container_is_a_dependency(found: dict[str, dict[str, Any]], variant: Variant) -> None:
    finishing = one_shots(found)
    users = {"kafka-users"} if "sasl" in variant.files else set()
    assert {"mongodb-init", "s3-volume", *(f"{name}-init" for name in SERVICES), *users} == set(finishing)
    for name in finishing:
        adopters = [
            other
            for other, service in found.items()
            if other not in finishing
            and replicas(service) > 0
            and service.get("depends_on", {}).get(name, {}).get("condition") == COMPLETED
        ]
        assert adopters, f"`up --wait` would take the end of {name} for a failure"


def test_dependencies_wait_for_health_and_not_for_start(found: dict[str, dict[str, Any]]) -> None:
    for name, service in found.items():
        for other, how in service.get("depends_on", {}).items():
            expected = COMPLETED if other in one_shots(found) else "service_healthy"
            assert how["condition"] == expected, f"{name} waits for {other}"
            assert how["required"]


def test_every_image_is_pinned(found: dict[str, dict[str, Any]]) -> None:
    for name, service in found.items():
        repository, _, tag = service["image"].rpartition(":")
        assert repository, f"{name} has no tag"
        assert re.match(r"v?\d+\.\d+|RELEASE\.\d{4}", tag), f"{name}: {tag} moves"
        built = {other["image"] for other in found.values() if "build" in other}
        assert service["image"] in built or repository.count("/") == 2, f"{name} leaves the registry to the engine"


def test_each_image_is_built_once(found: dict[str, dict[str, Any]]) -> None:
    built = [service["image"].partition(":")[0] for service in found.values() if "build" in service]
    assert sorted(built) == sorted({f"stories-{name}" for name in SERVICES} | ({"stories-cli"} & set(built)))


def test_no_volume_of_an_image_is_left_without_a_name(found: dict[str, dict[str, Any]]) -> None:
    for name, service in found.items():
        given = {volume["target"] for volume in service.get("volumes", [])}
        given |= {entry.partition(":")[0] for entry in service.get("tmpfs", [])}
        expected = next((paths for image, paths in IMAGE_VOLUMES.items() if f"/{image}:" in service["image"]), set())
        assert expected <= given, f"{name} would get a new volume at each up"


def test_init_process_reaps_health_check_processes(found: dict[str, dict[str, Any]]) -> None:
    ours = {name for name, service in found.items() if service["image"].startswith("stories-")}
    for name in found.keys() - set(one_shots(found)):
        assert found[name]["init"] == (name not in ours), f"{name}: our images have one"


def test_health_checks_start_neither_a_jvm_nor_mongosh(found: dict[str, dict[str, Any]]) -> None:
    assert ".sh" not in str(found["kafka"]["healthcheck"]["test"])
    assert "mongosh" not in str(found["mongodb"]["healthcheck"]["test"])


def test_each_container_reaches_only_what_it_needs(variant: Variant, env_file: Path) -> None:
    whole = json.loads(compose(variant, env_file, "config", "--format", "json").stdout)
    members: dict[str, set[str]] = {name: set() for name in whole["networks"]}
    for name, service in whole["services"].items():
        for network in service.get("networks", ()):  # kafka-users has that of kafka
            members[network].add(name)
    assert {name for name, network in whole["networks"].items() if network.get("internal")} == {"data", "media"}
    assert members["edge"] - {"prometheus"} == {"gateway", "s3"}
    assert members["app"] - {"cli"} == {"gateway", *SERVICES}
    assert members["media"] - {"prometheus"} == {"ingest-worker", "kafka", "mongodb", "s3"}
    assert {"kafka", "mongodb", "s3", *SERVICES} <= members["data"]
    assert not {"gateway", "ingest-worker"} & (members["data"] | members["loopback"])


def test_cli_command_runs_no_init_container(env_file: Path) -> None:
    tools = services(Variant(VARIANTS[0].files, ("tools",)), env_file)
    assert not set(tools["cli"]["depends_on"]) & set(one_shots(tools))


def test_seaweedfs_stores_uploads_on_its_volume(found: dict[str, dict[str, Any]], variant: Variant) -> None:
    if "seaweedfs" in variant.files:
        assert found["s3"]["environment"]["TMPDIR"] in {volume["target"] for volume in found["s3"]["volumes"]}


def test_every_container_is_hardened(found: dict[str, dict[str, Any]]) -> None:
    for name, service in found.items():
        uid = service["user"].partition(":")[0]
        assert uid.isdecimal(), name
        assert uid != "0", f"{name} is root"
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service.get("cap_add", []) == NEEDED_CAPABILITIES.get(name, []), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged"), name
        limits = service["deploy"]["resources"]["limits"]
        assert {"cpus", "memory", "pids"} <= limits.keys(), name
        assert service["logging"]["options"]["max-size"], f"the log of {name} would fill the disk"


def test_every_port_is_on_loopback_alone(found: dict[str, dict[str, Any]]) -> None:
    published = {name: [port["host_ip"] for port in service.get("ports", [])] for name, service in found.items()}
    assert {"gateway", "kafka", "s3"} <= {name for name, hosts in published.items() if hosts}
    assert {host for hosts in published.values() for host in hosts} == {"127.0.0.1"}


def test_gateway_and_object_store_have_the_cors_origins(variant: Variant, env_file: Path) -> None:
    run = compose(variant, env_file, "config", "--format", "json", environment={"CORS_ORIGINS": "https://a.example"})
    configured = json.loads(run.stdout)["services"]
    assert configured["gateway"]["environment"]["CORS_ORIGINS"] == "https://a.example"
    store = {**configured["s3"]["environment"], "arguments": configured["s3"]["command"]}
    assert "https://a.example" in str(store)


def test_every_long_running_container_has_a_health_check(found: dict[str, dict[str, Any]]) -> None:
    running_on = found.keys() - {*one_shots(found), *SEALED_IMAGES, "cli"}
    assert {name for name in running_on if not found[name].get("healthcheck", {}).get("test")} == set()


def test_stop_grace_period_exceeds_the_drain_time(found: dict[str, dict[str, Any]]) -> None:
    for name, service in found.items():
        if name in one_shots(found):
            continue
        grace = seconds(service["stop_grace_period"])
        assert grace > DRAINS_S.get(name, 5), f"{name} is killed after {grace} s"


def test_no_container_shows_a_secret(variant: Variant, env_file: Path) -> None:
    shown = json.loads(compose(variant, env_file, "config", "--format", "json").stdout)
    for name, variable in ONLY_BY_ENVIRONMENT.items():
        if name in shown["services"]:
            assert shown["services"][name]["environment"].pop(variable)
    text = json.dumps(shown) + "".join((CHECKOUT / file).read_text() for file in variant.files.split(":"))
    values = dict(line.split("=", 1) for line in env_file.read_text().splitlines())
    del values["SECRETS_FOLDER"]
    assert len(values) == len(SECRET_NAMES)
    assert [name for name, value in values.items() if value in text] == []


def test_each_container_reads_its_own_secrets_from_files(variant: Variant, env_file: Path) -> None:
    shown = json.loads(compose(variant, env_file, "config", "--format", "json").stdout)
    folder = env_file.parent / ".secrets"
    assert {secret["file"] for secret in shown["secrets"].values()} <= {str(path) for path in folder.iterdir()}
    for name, service in shown["services"].items():
        given = {each["source"] for each in service.get("secrets", [])}
        words = json.dumps([service.get("environment"), service.get("command"), service.get("entrypoint")])
        named = set(re.findall(r"/run/secrets/(\w+)", words))
        assert named == given or name in {"mongodb-init", "kafka-users"}, (
            f"{name}: these make users, and read all of them"
        )
        mongo = {each for each in given if each.startswith("MONGO_")}
        if owner := next((owner for owner in SERVICES if name.startswith(owner)), None):
            assert mongo == {f"MONGO_{owner.upper()}_PASSWORD"}, name


def test_missing_secrets_are_reported_with_their_command(variant: Variant, tmp_path: Path) -> None:
    empty = tmp_path / ".env"
    empty.touch()
    run = compose(variant, empty, "config", "-q")
    assert run.returncode != 0
    assert "make secrets" in run.stderr


def test_services_get_only_settings_that_exist(found: dict[str, dict[str, Any]]) -> None:
    from stories_embedded.services import setting_names

    known = {"TMPDIR", *setting_names()}
    for name in (*SERVICES, "ingest-worker", *(f"{service}-init" for service in SERVICES)):
        given = {variable.removesuffix("_FILE") for variable in found[name]["environment"]} - {"ROLLOUT"}
        assert given <= known, name


def test_each_service_reads_its_own_database_as_its_own_user(found: dict[str, dict[str, Any]]) -> None:
    users = {name: found[name]["environment"]["MONGO_USERNAME"] for name in SERVICES}
    databases = {name: found[name]["environment"]["MONGO_DATABASE"] for name in SERVICES}
    assert users == {name: name for name in SERVICES}
    assert databases == {name: f"stories_{name}" for name in SERVICES}


def test_media_jobs_run_outside_the_api(found: dict[str, dict[str, Any]]) -> None:
    assert found["ingest"]["environment"]["ROLE"] == "api"
    assert found["ingest-worker"]["environment"]["ROLE"] == "worker"
    assert found["ingest-worker"]["environment"]["TMPDIR"] in {
        each["target"] for each in found["ingest-worker"]["volumes"]
    }


def test_mounted_files_exist(found: dict[str, dict[str, Any]]) -> None:
    mounted = {
        Path(each["source"])
        for service in found.values()
        for each in service.get("volumes", [])
        if each["type"] == "bind"
    }
    ours = {path for path in mounted if ".secrets" not in path.parts}
    assert ours
    assert {path for path in ours if not path.exists()} == set()


def test_kafka_can_be_reached_from_outside_on_loopback(found: dict[str, dict[str, Any]]) -> None:
    listeners = dict(
        each.split("://") for each in found["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    )
    [port] = found["kafka"]["ports"]
    assert listeners["LOOPBACK"] == f"127.0.0.1:{port['published']}"
    assert found["feed"]["environment"]["KAFKA_BOOTSTRAP_SERVERS"] == listeners["INTERNAL"]


def test_with_sasl_only_kafka_itself_is_let_in_without_a_password(
    found: dict[str, dict[str, Any]], variant: Variant
) -> None:
    if "sasl" not in variant.files:
        return
    kafka = found["kafka"]["environment"]
    protocols = dict(each.split(":") for each in kafka["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    listeners = dict(each.split("://") for each in kafka["KAFKA_LISTENERS"].split(","))
    assert protocols.keys() == listeners.keys()
    for name, address in listeners.items():
        assert protocols[name] == "SASL_PLAINTEXT" or address.startswith("127.0.0.1:"), name
    assert found["kafka-users"]["network_mode"] == "service:kafka"
    assert found["kafka-users"]["depends_on"].keys() == {"kafka"}


def test_with_sasl_each_service_is_a_user_of_its_own(found: dict[str, dict[str, Any]], variant: Variant) -> None:
    if "sasl" not in variant.files:
        return
    made = {each["source"] for each in found["kafka-users"]["secrets"]}
    users = {**{name: name for name in SERVICES}, "ingest-worker": "ingest"} | {f"{n}-init": n for n in SERVICES}
    users |= {"cli": "operator"} if "cli" in found else {}
    for name, user in users.items():
        given = found[name]["environment"]
        assert (given["KAFKA_SECURITY_PROTOCOL"], given["KAFKA_SASL_USERNAME"]) == ("SASL_PLAINTEXT", user), name
        password = f"KAFKA_{user.upper()}_PASSWORD"
        assert given["KAFKA_SASL_PASSWORD_FILE"] == f"/run/secrets/{password}", name
        assert password in made & {each["source"] for each in found[name]["secrets"]}, name
        assert name == "cli" or "kafka-users" in found[name]["depends_on"], name
    if "kafka-exporter" in found:
        assert "--sasl.username=monitor" in found["kafka-exporter"]["command"]
        assert "/run/secrets/KAFKA_MONITOR_PASSWORD" in str(found["kafka-exporter"]["entrypoint"])


def test_prometheus_scrapes_names_that_compose_gives(found: dict[str, dict[str, Any]]) -> None:
    if "prometheus" not in found:
        return
    scraped = yaml.safe_load((CHECKOUT / "deploy" / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    names = {name for job in scraped for sd in job.get("dns_sd_configs", []) for name in sd["names"]}
    assert {*SERVICES, "gateway", "ingest-worker", "kafka-exporter", "mongodb-exporter"} <= names <= found.keys()


def test_secrets_are_generated_once_with_mode_600(tmp_path: Path) -> None:
    script = CHECKOUT / "deploy" / "secrets.sh"
    (tmp_path / ".env").write_text("S3_ACCESS_KEY=mine\nCORS_ORIGINS=https://app.example")
    subprocess.run(["sh", script, tmp_path], check=True, capture_output=True)
    first = {path.name: path.read_bytes() for path in (tmp_path / ".env", *(tmp_path / ".secrets").iterdir())}
    again = subprocess.run(["sh", script, tmp_path], check=True, capture_output=True, text=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / ".env", *(tmp_path / ".secrets").iterdir())} == first
    assert "nothing to make" in again.stdout
    lines = first[".env"].decode().splitlines()
    assert lines[:2] == ["S3_ACCESS_KEY=mine", "CORS_ORIGINS=https://app.example"], "what was there stays"
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / ".secrets").stat().st_mode) == 0o700


@pytest.mark.parametrize("half", [0, 1])
def test_secret_files_hold_what_compose_reads_from_env(tmp_path: Path, half: int) -> None:
    cases = dict(zip(SECRET_NAMES, list(READ_FROM_ENV.items())[half::2], strict=False))
    written = [f"{name}{value}\n" for name, (value, _) in cases.items()]
    other = 'OTHER="${HOME}\nMONGO_FEED_PASSWORD=another"\n'
    (tmp_path / ".env").write_bytes("".join(["# a comment\n", *written, other]).encode())
    assert make_secrets(tmp_path).returncode == 0
    interpolated = {name: f"${{{name}}}" for name in cases}
    project = {"name": "read", "services": {"one": {"image": "one", "environment": interpolated}}}
    (tmp_path / "docker-compose.yml").write_text(json.dumps(project))
    run = compose(Variant(str(tmp_path / "docker-compose.yml"), ()), tmp_path / ".env", "config", "--format", "json")
    by_compose = json.loads(run.stdout)["services"]["one"]["environment"]
    for name, (value, expected) in cases.items():
        assert (tmp_path / ".secrets" / name).read_bytes() == expected.encode(), value
        assert by_compose[name].replace("$$", "$") == expected, value


@pytest.mark.parametrize("value", REFUSED)
def test_value_that_is_not_clear_is_refused_by_name(tmp_path: Path, value: str) -> None:
    assert make_secrets(tmp_path).returncode == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / ".secrets").iterdir()}
    with (tmp_path / ".env").open("a") as file:
        file.write(f"MONGO_FEED_PASSWORD={value}\nS3_SECRET_KEY=changed\n")
    run = make_secrets(tmp_path)
    assert (run.returncode, len(run.stderr.splitlines())) == (1, 1)
    assert run.stderr.startswith("MONGO_FEED_PASSWORD in .env is ")
    assert value.strip("'\"") == "" or value not in run.stderr
    assert {path.name: path.read_bytes() for path in (tmp_path / ".secrets").iterdir()} == before


def test_changed_value_changes_its_file(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    with (tmp_path / ".env").open("a") as file:
        file.write("MONGO_FEED_PASSWORD='new one'")
    run = make_secrets(tmp_path)
    assert run.stdout.startswith("renewed: MONGO_FEED_PASSWORD; ")
    file = tmp_path / ".secrets" / "MONGO_FEED_PASSWORD"
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("new one", 0o444)
    assert "renewed" not in make_secrets(tmp_path).stdout


def test_generated_key_set_is_accepted_by_services(tmp_path: Path) -> None:
    subprocess.run(["sh", CHECKOUT / "deploy" / "secrets.sh", tmp_path], check=True, capture_output=True)
    jwks = tmp_path / ".secrets" / "jwks.json"
    check(str(jwks))
    assert key_id(read_key((tmp_path / ".secrets" / "signing-key.pem").read_bytes()), jwks.read_bytes())


def seconds(text: str) -> float:
    """`1m0s` in seconds."""
    parts = {unit: float(number) for number, unit in re.findall(r"(\d+(?:\.\d+)?)(h|m(?!s)|s)", text)}
    return parts.get("h", 0) * 3600 + parts.get("m", 0) * 60 + parts.get("s", 0)

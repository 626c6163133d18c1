"""The properties of the charts: each on every chart and the umbrella, with every example's values."""

import gzip
import json
import os
import re
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import certifi
import pytest
import yaml
from stories_embedded.paths import CHECKOUT
from stories_embedded.services import settings_class
from stories_shared.kafka.topics import Topics
from stories_shared.rollout.file import parse

from tools.codegen.helm import SET_BY_CHARTS, free_settings
from tools.codegen.settings import OF_THE_GATEWAY

from .charts import (
    CHARTS,
    EXAMPLES,
    HELM,
    SERVICES,
    Manifest,
    Refused,
    containers,
    environment,
    helm,
    name_of,
    of_kind,
    part,
    pods,
    read,
    rendered,
    values_for,
)

pytestmark = pytest.mark.needs_deploy_tools

PRESTOP_S, DRAIN_S = 5, 10
TOPICS = Topics.of([timedelta(hours=24)])
SECRETS = {
    "TICKET_KEYS_FILE": "k:0123456789abcdef",
    "MONGO_URL_FILE": "mongodb://feed:secret@mongodb/?replicaSet=rs0\n",
}


@pytest.fixture(scope="module", params=EXAMPLES)
def manifests(request: pytest.FixtureRequest) -> tuple[Manifest, ...]:
    """The manifests of every chart with each example."""
    return rendered("stories", request.param)


def whole() -> Iterator[tuple[Manifest, ...]]:
    """The manifests of the umbrella with each example."""
    return (rendered("stories", example) for example in EXAMPLES)


@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize("example", ["minimal", "production"])
def test_helm_lint_is_clean(chart, example):
    helm("lint", chart, "--strict", "--kube-version", "1.34.0", "--values", str(values_for(chart, example)))


def test_resource_names_are_unique():
    everything = [*rendered("stories", "production", release="stories")]
    for chart in (*SERVICES, "gateway", "monitoring"):
        everything += rendered(chart, "production", release="live")
        everything += rendered(chart, "production", release=chart)
    names = Counter((manifest["apiVersion"], name_of(manifest)) for manifest in everything)
    assert [name for name, times in names.items() if times > 1] == []


@pytest.mark.parametrize("chart", CHARTS)
def test_release_record_fits_into_a_secret(chart):
    """Helm's record of a release: the manifests and the chart's own files, compressed, of at most 1 MiB."""
    own = {
        str(path): b64encode(path.read_bytes()).decode()
        for folder, _, names in os.walk(HELM / chart, followlinks=True)
        for path in (Path(folder) / name for name in names)
        if "charts" not in path.relative_to(HELM / chart).parts
    }
    manifests = rendered(chart, "production")
    record = b64encode(gzip.compress(json.dumps({"files": own, "manifests": manifests}).encode()))
    assert len(record) < 900_000
    for manifest in of_kind(manifests, "ConfigMap"):
        assert len(json.dumps([manifest.get("data"), manifest.get("binaryData")])) < 900_000, name_of(manifest)


def test_umbrella_chart_contains_only_its_subcharts():
    for example in ("small", "production"):
        charts = (*SERVICES, "gateway", *(["monitoring"] if example == "production" else []))
        apart = [manifest for chart in charts for manifest in rendered(chart, example)]
        assert sorted(apart, key=name_of) == sorted(rendered("stories", example), key=name_of)


def test_resources_have_the_release_namespace_and_labels(manifests):
    for manifest in manifests:
        assert manifest["metadata"]["namespace"] == "prod", name_of(manifest)
        assert manifest["metadata"]["labels"]["app.kubernetes.io/part-of"] == "stories"


def test_there_are_no_hooks(manifests):
    for manifest in manifests:
        assert not any("helm.sh/hook" in name for name in manifest["metadata"].get("annotations", {}))


def test_pods_are_restricted(manifests):
    """The Pod Security Standard `restricted`, and a read-only root file system."""
    for name, pod in pods(manifests):
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not spec["automountServiceAccountToken"]
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert {kind for volume in spec["volumes"] for kind in volume} <= {"name", "emptyDir", "projected", "configMap"}
        for container in containers(pod):
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False
            assert own["readOnlyRootFilesystem"] is True
            assert own["capabilities"]["drop"] == ["ALL"]
            assert set(own["capabilities"].get("add", [])) <= {"NET_BIND_SERVICE"}


def test_pods_run_as_the_user_that_the_images_make(manifests):
    dockerfile = (CHECKOUT / "deploy" / "Dockerfile").read_text()
    (user,) = set(re.findall(r"^USER (\d+:\d+)$", dockerfile, re.MULTILINE))
    for name, pod in pods(manifests):
        if pod["metadata"]["labels"]["app.kubernetes.io/name"] == "stores":
            continue  # of other images
        security = pod["spec"]["securityContext"]
        assert f"{security['runAsUser']}:{security['runAsGroup']}" == user, name


def test_every_container_has_a_tmp_of_limited_size(manifests):
    for name, pod in pods(manifests):
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        assert volumes["tmp"]["emptyDir"]["sizeLimit"], name
        for container in containers(pod):
            mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
            assert mounts["tmp"]["mountPath"] == "/tmp"
            of_stores = pod["metadata"]["labels"]["app.kubernetes.io/name"] == "stores"
            written = {"tmp", "data", "configuration"} if of_stores else {"tmp"}
            assert all(mount.get("readOnly") for name, mount in mounts.items() if name not in written)
            assert not any("subPath" in mount for mount in mounts.values())


def test_every_container_has_requests_and_a_limit_of_memory(manifests):
    for name, pod in pods(manifests):
        for container in containers(pod):
            assert container["resources"]["requests"].keys() == {"cpu", "memory", "ephemeral-storage"}, name
            assert container["resources"]["limits"]["memory"]


def test_ephemeral_storage_has_room_for_tmp_and_logs(manifests):
    units = {"Mi": 1, "Gi": 1024}

    def mebibytes(size: str) -> int:
        return int(size[:-2]) * units[size[-2:]]

    for _, pod in pods(manifests):
        (tmp,) = (volume["emptyDir"]["sizeLimit"] for volume in pod["spec"]["volumes"] if volume["name"] == "tmp")
        for container in containers(pod):
            limit = mebibytes(container["resources"]["limits"]["ephemeral-storage"])
            assert limit >= mebibytes(tmp) + 100, container["name"]
            assert mebibytes(container["resources"]["requests"]["ephemeral-storage"]) <= limit


def test_values_may_extend_every_pod():
    spread = {"topologyKey": "rack", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
    options = [
        option
        for of in (*SERVICES, "gateway", "ingest.worker")
        for option in (
            *(f"--set={of}.podLabels.team=media", f"--set={of}.extraEnv[0].name=HTTPS_PROXY"),
            *(f"--set={of}.extraEnv[0].value=proxy", f"--set={of}.extraVolumes[0].name=more"),
            *(f"--set={of}.extraVolumes[0].configMap.name=more", f"--set={of}.extraVolumeMounts[0].name=more"),
            f"--set={of}.extraVolumeMounts[0].mountPath=/more",
            *(f"--set={of}.topologySpreadConstraints[0].{key}={value}" for key, value in spread.items()),
        )
    ]
    found = list(of_kind(rendered("stories", "minimal", *options), "Deployment"))
    assert len(found) == len(SERVICES) + 2
    for deployment in found:
        pod = deployment["spec"]["template"]
        assert pod["metadata"]["labels"]["team"] == "media"
        assert pod["spec"]["topologySpreadConstraints"] == [spread]
        assert {"name": "more", "configMap": {"name": "more"}} in pod["spec"]["volumes"]
        for container in containers(pod):
            assert {"name": "HTTPS_PROXY", "value": "proxy"} in container["env"]
            assert {"name": "more", "mountPath": "/more"} in container["volumeMounts"]


def test_collector_is_let_through_by_the_policies():
    option = "--set=feed.settings.OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318"
    policies = of_kind(rendered("stories", "minimal", option), "NetworkPolicy")
    ports = {
        policy["metadata"]["name"]: {
            port["port"] for rule in policy["spec"]["egress"] for port in rule.get("ports", [])
        }
        for policy in policies
    }
    assert 4318 in ports["stories-feed"]
    assert 4318 not in ports["stories-expiry"]


def test_every_deployment_has_three_probes_on_its_port(manifests):
    for deployment in of_kind(manifests, "Deployment"):
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        more = ["metrics"] if container["name"] == "gateway" else []
        assert [port["name"] for port in container["ports"]] == ["http", *more]
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[kind]["httpGet"]["port"] == "http", name_of(deployment)
        if container["name"] in SERVICES:
            assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
            assert container["startupProbe"]["httpGet"]["path"] == "/readyz"
            assert container["readinessProbe"]["httpGet"]["path"].startswith("/readyz")


def test_pod_is_deregistered_and_drained_within_its_grace_period(manifests):
    for deployment in of_kind(manifests, "Deployment"):
        spec = deployment["spec"]["template"]["spec"]
        assert spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", str(PRESTOP_S)]
        assert spec["terminationGracePeriodSeconds"] > PRESTOP_S + DRAIN_S, name_of(deployment)


def test_every_deployment_has_a_disruption_budget_and_spreads(manifests):
    budgets = [budget["spec"]["selector"] for budget in of_kind(manifests, "PodDisruptionBudget")]
    for deployment in of_kind(manifests, "Deployment"):
        assert budgets.count(deployment["spec"]["selector"]) == 1, name_of(deployment)
        spread = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert {each["topologyKey"] for each in spread} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
        assert all(each["labelSelector"] == deployment["spec"]["selector"] for each in spread)


def test_selectors_match_only_their_own_pods():
    for everything in whole():
        templates = {name: pod["metadata"]["labels"] for name, pod in pods(everything)}
        for deployment in of_kind(everything, "Deployment"):
            wanted = deployment["spec"]["selector"]["matchLabels"].items()
            assert [name for name, labels in templates.items() if wanted <= labels.items()] == [name_of(deployment)]
        for service in of_kind(everything, "Service"):
            wanted = service["spec"]["selector"].items()
            (taken,) = [name for name, labels in templates.items() if wanted <= labels.items()]
            assert taken.partition("/")[2] == service["metadata"]["name"]


def test_no_image_is_latest_and_each_has_a_tag_or_a_digest(manifests):
    for name, pod in pods(manifests):
        for container in containers(pod):
            assert re.search(r"(:[^:/@]+|@sha256:[0-9a-f]{64})$", container["image"]), name
            assert not container["image"].endswith(":latest")


def test_images_use_the_configured_registry_and_pull_secret():
    found = {
        container["name"]: container["image"]
        for _, pod in pods(rendered("stories", "production"))
        for container in containers(pod)
        if container["name"] != "init"
    }
    tag = yaml.safe_load(values_for("stories", "production").read_text())["global"]["image"]["tag"]
    assert found["expiry"] == f"registry.example.com/team/stories-expiry:{tag}"
    assert found["feed"] == f"registry.example.com/team/stories-feed@sha256:{'0' * 64}"
    assert found["gateway"].startswith("docker.io/caddy:")
    for _, pod in pods(rendered("stories", "production")):
        assert pod["spec"]["imagePullSecrets"] == [{"name": "registry"}]


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_runs_its_own_init_first(service):
    for deployment in of_kind(part(service), "Deployment"):
        (first,) = deployment["spec"]["template"]["spec"]["initContainers"]
        assert first["args"] == ["python", "-m", f"stories_{service}", "init"]
        assert "command" not in first, "the image's init process stays in front"
        assert environment(first) == environment(deployment["spec"]["template"]["spec"]["containers"][0])


def test_media_jobs_run_in_their_own_deployment_or_in_the_api():
    roles = {
        example: {
            name: environment(pod["spec"]["containers"][0]).get("ROLE", "all")
            for name, pod in pods(part("ingest", example))
            if name.startswith("Deployment")
        }
        for example in ("minimal", "small")
    }
    assert roles["minimal"] == {"Deployment/stories-ingest": "api", "Deployment/stories-ingest-worker": "worker"}
    assert roles["small"] == {"Deployment/stories-ingest": "all"}


def test_nothing_scales_beyond_its_partitions_or_to_zero():
    for example in EXAMPLES:
        partitions = yaml.safe_load(values_for("stories", example).read_text())["global"].get("topics", {})
        for service in SERVICES:
            for scaler in of_kind(part(service, example), "HorizontalPodAutoscaler", "ScaledObject"):
                spec = scaler["spec"]
                assert spec.get("minReplicas", spec.get("minReplicaCount")) >= 1
                if service != "feed" and not scaler["metadata"]["name"].endswith("-worker"):
                    most = spec.get("maxReplicas", spec.get("maxReplicaCount"))
                    assert most <= partitions.get("partitions", 12), name_of(scaler)


@pytest.mark.parametrize("service", SERVICES)
def test_zero_replicas_are_rejected(service):
    for option, words in (
        ("autoscaling.minReplicas=0", "minReplicas"),
        ("autoscaling.enabled=false,replicas=0", "replicas"),
    ):
        with pytest.raises(Refused, match=words):
            rendered(service, "minimal", "--set", option)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("option", ["autoscaling.maxReplicas=13", "autoscaling.enabled=false,replicas=13"])
def test_only_feed_may_have_more_replicas_than_partitions(service, option):
    if service == "feed":
        assert rendered(service, "minimal", "--set", option)
        return
    with pytest.raises(Refused, match="12 partitions"):
        rendered(service, "minimal", "--set", option)


@pytest.mark.parametrize("service", SERVICES)
def test_with_keda_a_service_scales_by_the_lag_of_each_of_its_groups(service):
    found = rendered(service, "production", "--set", "autoscaling.keda.enabled=true")
    (scaled,) = of_kind(found, "ScaledObject")
    lags = [trigger["metadata"] for trigger in scaled["spec"]["triggers"] if trigger["type"] == "kafka"]
    assert {(lag["consumerGroup"], lag["topic"]) for lag in lags} == {
        (f"live.{service}.{topic.name}", f"live.{topic.name}") for topic in TOPICS.values() if service in topic.readers
    }
    assert all(lag["allowIdleConsumers"] == "false" and lag["tls"] == "enable" for lag in lags)
    names = {scaler["spec"]["scaleTargetRef"]["name"] for scaler in of_kind(found, "HorizontalPodAutoscaler")}
    assert scaled["spec"]["scaleTargetRef"]["name"] not in names, "two scalers would fight"


def test_without_autoscaling_replicas_are_set_and_no_scaler_exists():
    found = rendered("stories", "small")
    assert not list(of_kind(found, "HorizontalPodAutoscaler", "ScaledObject"))
    assert {deployment["spec"]["replicas"] for deployment in of_kind(found, "Deployment")} == {1}
    for deployment in of_kind(rendered("stories", "minimal"), "Deployment"):
        assert "replicas" not in deployment["spec"], "it would undo what the scaler did at every upgrade"


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("example", EXAMPLES)
def test_every_setting_in_a_chart_is_read_by_its_service(service, example):
    known = {name.upper() for name in settings_class(service).model_fields}
    for name, pod in pods(part(service, example)):
        for container in containers(pod):
            named = environment(container)
            assert {each if each in known else each.removesuffix("_FILE") for each in named} <= known, name


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("example", EXAMPLES)
def test_charts_set_required_settings_and_allow_all_others(service, example):
    fields = settings_class(service).model_fields
    needed = {name.upper() for name, field in fields.items() if field.is_required()}
    for _, pod in pods(part(service, example)):
        for container in containers(pod):
            assert needed <= {name.removesuffix("_FILE") for name in environment(container)}
    assert {name.upper() for name in fields} <= SET_BY_CHARTS | free_settings(settings_class(service)).keys()


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("example", EXAMPLES)
def test_service_accepts_the_environment_of_its_chart(service, example, monkeypatch, tmp_path):
    """The settings class reads it, with a file for each secret."""
    for _, pod in pods(part(service, example)):
        for container in containers(pod):
            with monkeypatch.context() as patched:
                for name, value in environment(container).items():
                    if name.endswith("_FILE"):
                        file = tmp_path / name
                        file.write_text(SECRETS.get(name, "secret\n"))
                        value = str(file)
                    if name == "CA_BUNDLE":
                        value = certifi.where()
                    patched.setenv(name, value)
                settings = settings_class(service)()
            assert settings.port == 8000
            assert settings.topics == ("init" if container["name"] == "topics" else "external")


def test_secrets_are_mounted_files_from_existing_secrets(manifests):
    for name, pod in pods(manifests):
        for container in containers(pod):
            for variable in environment(container):
                assert not variable.endswith(("PASSWORD", "SECRET_KEY", "ACCESS_KEY", "TICKET_KEYS", "MONGO_URL")), name
    assert not list(of_kind(manifests, "Secret"))


def test_every_file_named_in_the_environment_is_mounted():
    for everything in whole():
        for name, pod in pods(everything):
            for container in containers(pod):
                for variable, path in environment(container).items():
                    if path.startswith("/run/"):
                        assert path in mounted(pod, container), f"{name}: {variable}"


def mounted(pod: Manifest, container: Manifest) -> set[str]:
    """The paths of secret files, and of files from config maps."""
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    found = set()
    for mount in container["volumeMounts"]:
        volume = volumes.get(mount["name"], {})  # none: a volume of its own
        for source in volume.get("projected", {}).get("sources", []):
            found |= {f"{mount['mountPath']}/{item['path']}" for item in source["secret"]["items"]}
        if volume.get("configMap", {}).get("name") == "stories-jwks":
            found.add(f"{mount['mountPath']}/jwks.json")
        if volume.get("configMap", {}).get("name") == "stories-authorities":
            found.add(f"{mount['mountPath']}/ca.crt")
    return found


def test_static_keys_are_files_and_issued_credentials_need_none():
    given = {
        example: environment(next(pods(part("feed", example)))[1]["spec"]["containers"][0]) for example in EXAMPLES
    }
    assert {"S3_ACCESS_KEY_FILE", "S3_SECRET_KEY_FILE"} <= given["minimal"].keys()
    assert given["minimal"]["S3_REGION"] == "us-east-1"
    assert given["production"]["S3_CREDENTIALS"] == "auto"
    assert given["production"]["S3_REGION"] == "eu-central-1"
    assert not {name for name in given["production"] if name.startswith("S3_") and name.endswith("KEY_FILE")}
    accounts = {each["metadata"]["name"]: each for each in of_kind(rendered("stories", "production"), "ServiceAccount")}
    assert "eks.amazonaws.com/role-arn" in accounts["stories-feed"]["metadata"]["annotations"]


def test_each_service_has_a_database_user_of_its_own():
    secrets = {
        source["secret"]["name"]
        for _, pod in pods(rendered("stories"))
        for volume in pod["spec"]["volumes"]
        for source in volume.get("projected", {}).get("sources", [])
        if any(item["path"] == "mongo-url" for item in source.get("secret", {}).get("items", []))
    }
    assert secrets == {f"stories-mongodb-{service}" for service in SERVICES}


def test_slow_start_does_not_fail_the_rollout(manifests):
    for deployment in of_kind(manifests, "Deployment"):
        probe = deployment["spec"]["template"]["spec"]["containers"][0]["startupProbe"]
        assert deployment["spec"]["progressDeadlineSeconds"] > probe["periodSeconds"] * probe["failureThreshold"] + 120


def test_topics_are_created_by_a_job_or_externally():
    jobs = {
        job["metadata"]["labels"]["app.kubernetes.io/name"]: job
        for job in of_kind(rendered("stories", "production"), "Job")
    }
    assert jobs.keys() == set(SERVICES)
    for service, job in jobs.items():
        (volume,) = [each for each in job["spec"]["template"]["spec"]["volumes"] if each["name"] == "secrets"]
        names = {source["secret"]["name"] for source in volume["projected"]["sources"]}
        assert "kafka-admin" in names
        assert f"stories-{service}" not in names
    assert not list(of_kind(rendered("stories", "strimzi"), "Job"))


def test_another_image_gives_another_job_name():
    def job(*options: str) -> str:
        (found,) = of_kind(rendered("feed", "minimal", *options), "Job")
        return str(found["metadata"]["name"])

    assert job() != job("--set", "image.tag=another")
    assert job() == job("--set", "autoscaling.maxReplicas=3")


@pytest.mark.parametrize("service", SERVICES)
def test_service_network_policy_allows_only_what_is_needed(service):
    policy = policy_of("api", service)
    assert callers(policy) == [
        {"app.kubernetes.io/name": "gateway", "app.kubernetes.io/part-of": "stories"},
        {"kubernetes.io/metadata.name": "monitoring"},
    ]
    assert ports(policy) == {53, 27017, 9092, 443} | ({9000} if service in ("ingest", "feed") else set())


def test_media_worker_policy_allows_only_the_stores():
    policy = policy_of("worker", "ingest")
    assert callers(policy) == [{"kubernetes.io/metadata.name": "monitoring"}]
    assert ports(policy) == {53, 27017, 9092, 9000}


@pytest.mark.parametrize("service", SERVICES)
def test_topic_job_accepts_no_connections(service):
    policy = policy_of("topics", service)
    assert "ingress" not in policy["spec"]
    assert "Ingress" in policy["spec"]["policyTypes"]


def test_only_the_scraper_reads_the_metrics_of_the_gateway():
    (policy,) = of_kind(part("gateway"), "NetworkPolicy")
    (anybody, scraper) = policy["spec"]["ingress"]
    assert anybody == {"ports": [{"protocol": "TCP", "port": "http"}]}
    assert scraper["ports"] == [{"protocol": "TCP", "port": "metrics"}]
    assert [peer["namespaceSelector"]["matchLabels"] for peer in scraper["from"]] == [
        {"kubernetes.io/metadata.name": "monitoring"}
    ]
    (exposed,) = of_kind(part("gateway"), "Service")
    assert [port["name"] for port in exposed["spec"]["ports"]] == ["http"]


def test_every_pod_has_one_policy(manifests):
    policies = [each["spec"]["podSelector"]["matchLabels"] for each in of_kind(manifests, "NetworkPolicy")]
    for name, pod in pods(manifests if policies else ()):
        labels = pod["metadata"]["labels"].items()
        assert len([each for each in policies if each.items() <= labels]) == 1, name


def policy_of(component: str, service: str) -> Manifest:
    (found,) = [
        each
        for each in of_kind(part(service), "NetworkPolicy")
        if each["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == component
    ]
    return found


def callers(policy: Manifest) -> list[dict[str, str]]:
    (rule,) = policy["spec"]["ingress"]
    return [peer.get("podSelector", peer.get("namespaceSelector"))["matchLabels"] for peer in rule["from"]]


def ports(policy: Manifest) -> set[int]:
    return {port["port"] for out in policy["spec"]["egress"] for port in out["ports"]}


def test_the_gateway_finds_every_replica_of_every_service():
    everything = rendered("stories")
    (gateway,) = [pod for name, pod in pods(everything) if name == "Deployment/stories-gateway"]
    given = environment(gateway["spec"]["containers"][0])
    services = {service["metadata"]["name"]: service for service in of_kind(everything, "Service")}
    assert given["GATEWAY_DISCOVERY"] == "dns"
    for service in SERVICES:
        host, port = given[f"{service.upper()}_UPSTREAMS"].split()
        assert services[host]["spec"]["clusterIP"] == "None"
        assert [str(each["port"]) for each in services[host]["spec"]["ports"]] == [port]


def test_separately_released_charts_find_each_other():
    (pod,) = [pod for _, pod in pods(rendered("gateway", release="gateway"))]
    given = environment(pod["spec"]["containers"][0])
    for service in SERVICES:
        (exposed,) = of_kind(rendered(service, release=service), "Service")
        assert given[f"{service.upper()}_UPSTREAMS"] == f"{exposed['metadata']['name']} 8000"


MOST_BYTES = 2**20  # of a ConfigMap


def test_gateway_serves_the_files_of_all_deployments():
    made = sorted(of_kind(part("gateway"), "ConfigMap"), key=lambda each: str(each["metadata"]["name"]))
    files, app, reference = made
    assert max(len(yaml.safe_dump(each)) for each in made) < 0.9 * MOST_BYTES
    for page in (CHECKOUT / "deploy" / "gateway" / "reference").iterdir():
        assert b64decode(reference["binaryData"][page.name]) == page.read_bytes()
    assert files["data"]["Caddyfile"] == (CHECKOUT / "deploy" / "gateway" / "Caddyfile").read_text()
    assert yaml.safe_load(files["data"]["openapi.json"]) == yaml.safe_load(
        (CHECKOUT / "docs" / "openapi.json").read_text()
    )
    for page in (CHECKOUT / "deploy" / "gateway" / "share").iterdir():
        assert files["data"][page.name] == page.read_text()
    for page in (CHECKOUT / "deploy" / "gateway" / "app").iterdir():
        assert app["data"][page.name] == page.read_text()


def test_gateway_uses_the_caddy_version_of_all_deployments():
    compose = (CHECKOUT / "docker-compose.yml").read_text()
    (pinned,) = set(re.findall(r"\bcaddy:([-\w.]+)", compose))
    own = yaml.safe_load((HELM / "gateway" / "values.yaml").read_text())["image"]
    assert str(own["tag"]) == pinned


def test_every_gateway_variable_is_read_by_the_caddyfile():
    caddyfile = (CHECKOUT / "deploy" / "gateway" / "Caddyfile").read_text()
    known = set(re.findall(r"\{\$([A-Z0-9_]+)", caddyfile)) | set(re.findall(r"\{env\.([A-Z0-9_]+)\}", caddyfile))
    known |= {name for name, _, _ in OF_THE_GATEWAY} | {"XDG_DATA_HOME", "XDG_CONFIG_HOME"}
    for _, pod in pods(part("gateway", "production")):
        assert environment(pod["spec"]["containers"][0]).keys() <= known


def test_gateway_has_the_cors_origins():
    (pod,) = [
        pod for _, pod in pods(rendered("gateway", "minimal", "--set", "global.corsOrigins={https://a.example,*}"))
    ]
    assert environment(pod["spec"]["containers"][0])["CORS_ORIGINS"] == "https://a.example,*"


def test_ingress_routes_everything_to_the_gateway():
    (ingress,) = of_kind(part("gateway", "small"), "Ingress")
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert (path["path"], path["backend"]["service"]["name"]) == ("/", "stories-gateway")
    (route,) = of_kind(part("gateway", "production"), "HTTPRoute")
    (rule,) = route["spec"]["rules"]
    assert [backend["name"] for backend in rule["backendRefs"]] == ["stories-gateway"]
    with pytest.raises(Refused, match="not both"):
        rendered("gateway", "production", "--set", "ingress.enabled=true,ingress.hosts={a.example.com}")


def test_the_job_of_every_scraped_target_is_its_service():
    for service in (*SERVICES, "gateway"):
        (monitor,) = of_kind(part(service, "production"), "PodMonitor")
        assert monitor["spec"]["jobLabel"] == "app.kubernetes.io/name"
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        for name, pod in pods(part(service, "production")):
            assert wanted <= pod["metadata"]["labels"].items(), name
            assert pod["metadata"]["labels"]["app.kubernetes.io/name"] == service
            if name.startswith("Deployment"):
                served = {port["name"] for container in containers(pod) for port in container.get("ports", [])}
                assert {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]} <= served
        assert monitor["metadata"]["labels"]["release"] == "prometheus"


def test_rules_and_dashboards_are_those_of_every_other_deployment():
    found = part("monitoring", "production")
    rules = {rule["metadata"]["name"]: rule["spec"]["groups"] for rule in of_kind(found, "PrometheusRule")}
    base = "runbook_url: https://runbooks.example.com/stories/"
    ours = "runbook_url: https://docs.example.com/stories/"
    assert rules == {
        f"stories-monitoring-{file.stem}": yaml.safe_load(file.read_text().replace(base, ours))["groups"]
        for file in (CHECKOUT / "deploy" / "prometheus" / "rules").glob("*.yml")
    }
    dashboards = {name: text for board in of_kind(found, "ConfigMap") for name, text in board["data"].items()}
    assert dashboards == {
        file.name: file.read_text() for file in (CHECKOUT / "deploy" / "grafana" / "dashboards").glob("*.json")
    }


@pytest.mark.parametrize(
    ("chart", "option"),
    [
        ("feed", "settings.FOLOWS=events"),
        ("feed", "settings.KAFKA_TOPIC_PREFIX=x"),
        ("feed", "settings.LIMIT_READS=many"),
        ("ingest", "settings.TICKET_TTL=1h"),
        ("engagement", "s3.bucket=other"),
        ("expiry", "terminationGracePeriodSeconds=15"),
        ("expiry", "global.kafka.bootstrapServer=kafka:9092"),
        ("gateway", "image.tag=latest"),
        ("stories", "feeed.replicas=2"),
        ("stories", "global.topics.mode=hook"),
    ],
)
def test_unknown_and_out_of_range_values_are_rejected(chart, option):
    with pytest.raises(Refused, match=r"schema|additional|values don't meet"):
        rendered(chart, "minimal", "--set", option)


@pytest.mark.parametrize("chart", [*SERVICES, "stories"])
def test_missing_requirements_are_named(chart):
    with pytest.raises(Refused, match=r"global\.[a-zA-Z0-9.]+ .*is needed"):
        helm("template", "stories", chart, "--kube-version", "1.34.0")


def test_packaged_chart_equals_its_folder(tmp_path):
    """The library and the files of other folders are links; a package contains the files."""
    for chart in ("gateway", "stories"):
        helm("package", chart, "--destination", str(tmp_path))
        version = yaml.safe_load((HELM / chart / "Chart.yaml").read_text())["version"]
        from_package = helm(
            "template", "stories", str(tmp_path / f"{chart}-{version}.tgz"), "--namespace", "prod",
            "--kube-version", "1.37.0", "--values", str(values_for(chart, "production")),
        )  # fmt: skip
        assert read(from_package) == rendered(chart, "production")


def test_services_read_the_rollout_policy_of_the_values_and_its_changes():
    """A whole folder is mounted, so that a changed policy reaches running processes."""
    policy = "{create: {countries: [NL], percentage: 10}, view: {percentage: 50}}"
    manifests = rendered("stories", "minimal", "--set-json", f"global.rollout={json.dumps(yaml.safe_load(policy))}")
    maps = {manifest["metadata"]["name"]: manifest.get("data") for manifest in of_kind(manifests, "ConfigMap")}
    readers = set()
    for owner, pod in pods(manifests):
        for container in containers(pod):
            if path := environment(container).get("ROLLOUT_FILE"):
                readers.add(owner)
                folder, _, name = path.rpartition("/")
                [mount] = [each for each in container["volumeMounts"] if each["mountPath"] == folder]
                [volume] = [each for each in pod["spec"]["volumes"] if each["name"] == mount["name"]]
                assert "subPath" not in mount
                assert parse(maps[volume["configMap"]["name"]][name].encode()) == parse(policy.encode())
    assert readers >= {"Deployment/stories-ingest", "Deployment/stories-feed"}
    assert not any(environment(each).get("ROLLOUT_FILE") for _, pod in pods(part("ingest")) for each in containers(pod))

"""Every manifest matches the strict schema of Kubernetes, or of the operator that defines it."""

import subprocess
from functools import cache
from itertools import chain
from typing import Any

import jsonschema
import pytest
import yaml
from stories_embedded.paths import CHECKOUT

from .charts import EXAMPLES, NEWEST, OLDEST, TOOLS, Manifest, name_of, rendered

STRIMZI = CHECKOUT / "deploy" / "strimzi"
OPERATORS = {"keda.sh", "monitoring.coreos.com", "gateway.networking.k8s.io"}

Schema = dict[str, Any]


def is_custom(manifest: Manifest) -> bool:
    """Whether an operator defines it."""
    return manifest["apiVersion"].split("/")[0] in OPERATORS


@pytest.mark.needs_deploy_tools
@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", [pytest.param(OLDEST, marks=pytest.mark.nightly), NEWEST])
def test_manifests_match_the_strict_kubernetes_schema(version, tmp_path):
    files = []
    for example in EXAMPLES:
        own = [shortened(each) for each in rendered("stories", example, version=version) if not is_custom(each)]
        files.append(tmp_path / f"{example}.yaml")
        files[-1].write_text(yaml.safe_dump_all(own))
    run = subprocess.run(
        [TOOLS / "bin" / "kubernetes-validate", "--strict", "--quiet", "-k", version.rpartition(".")[0], *files],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def shortened(manifest: Manifest) -> Manifest:
    """A config map without its large files, which only slow down the validation."""
    return (
        {**manifest, "data": {name: text[:20] for name, text in manifest["data"].items()}}
        if "data" in manifest
        else manifest
    )


@pytest.mark.needs_deploy_tools
def test_schema_check_detects_an_unknown_field(tmp_path):
    (deployment,) = [each for each in rendered("feed") if each["kind"] == "Deployment"]
    wrong = {**deployment, "spec": {**deployment["spec"], "replica": 2}}
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump(wrong))
    command = [TOOLS / "bin" / "kubernetes-validate", "--strict", "-k", "1.37", file]
    run = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert run.returncode != 0
    assert "replica" in run.stdout + run.stderr


@pytest.mark.needs_deploy_tools
@pytest.mark.parametrize("example", EXAMPLES)
def test_custom_resources_match_their_crd_schemas(example):
    for manifest in filter(is_custom, rendered("stories", example)):
        validator_of(manifest["apiVersion"], manifest["kind"]).validate(manifest)


@pytest.mark.needs_deploy_tools
def test_examples_render_every_custom_resource():
    kinds = {each["kind"] for example in EXAMPLES for each in rendered("stories", example) if is_custom(each)}
    assert kinds == {"HTTPRoute", "PodMonitor", "PrometheusRule", "ScaledObject", "TriggerAuthentication"}


@pytest.mark.needs_deploy_tools
def test_schema_check_detects_a_misspelt_field():
    (monitor,) = [each for each in rendered("feed", "production") if each["kind"] == "PodMonitor"]
    wrong = {**monitor, "spec": {**monitor["spec"], "joblabel": "x"}}
    with pytest.raises(jsonschema.ValidationError, match="joblabel"):
        validator_of(wrong["apiVersion"], wrong["kind"]).validate(wrong)


@cache
def validator_of(api: str, kind: str) -> jsonschema.Draft7Validator:
    """A validator with an operator's schema that rejects unknown fields."""
    group, _, version = api.partition("/")
    for file in sorted((TOOLS / "crds").glob("*.yaml")):
        for found in yaml.safe_load_all(file.read_text()):
            if found and found["spec"]["group"] == group and found["spec"]["names"]["kind"] == kind:
                (schema,) = [each["schema"] for each in found["spec"]["versions"] if each["name"] == version]
                head = {"apiVersion": {}, "kind": {}, "metadata": {"type": "object"}}
                whole = schema["openAPIV3Schema"]
                return jsonschema.Draft7Validator(closed({**whole, "properties": whole["properties"] | head}))
    raise LookupError(f"no schema of {api} {kind} in {TOOLS / 'crds'}")


def closed(schema: Any) -> Any:
    """The same schema with strict field validation, as in the API server."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    made = {
        key: {name: closed(each) for name, each in value.items()} if key == "properties" else closed(value)
        for key, value in schema.items()
        if key not in ("description", "x-kubernetes-validations")
    }
    if "properties" in made and "additionalProperties" not in made:
        made["additionalProperties"] = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    return made


# Strimzi publishes its schemas in no package that could be pinned, so this is the part that is used: the API
# version v1 of its documentation's "KafkaTopic schema reference" and "KafkaUser schema reference".
NAME = {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", "maxLength": 253}
METADATA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "labels"],
    "properties": {
        "name": NAME,
        "labels": {"type": "object", "required": ["strimzi.io/cluster"], "additionalProperties": {"type": "string"}},
    },
}
ACL = {
    "type": "object",
    "additionalProperties": False,
    "required": ["resource", "operations"],
    "properties": {
        "resource": {
            "type": "object",
            "additionalProperties": False,
            "required": ["type", "name", "patternType"],
            "properties": {
                "type": {"enum": ["topic", "group", "cluster", "transactionalId"]},
                "name": {"type": "string", "minLength": 1},
                "patternType": {"enum": ["literal", "prefix"]},
            },
        },
        "operations": {
            "type": "array",
            "minItems": 1,
            "items": {
                "enum": [
                    *("Read", "Write", "Create", "Delete", "Alter", "Describe", "ClusterAction", "AlterConfigs"),
                    *("DescribeConfigs", "IdempotentWrite", "All"),
                ]
            },
        },
    },
}
SPECS: dict[str, Schema] = {
    "KafkaTopic": {
        "type": "object",
        "additionalProperties": False,
        "required": ["partitions", "replicas", "config"],
        "properties": {
            "partitions": {"type": "integer", "minimum": 1},
            "replicas": {"type": "integer", "minimum": 1, "maximum": 32767},
            "config": {"type": "object", "additionalProperties": {"type": ["string", "integer", "boolean", "number"]}},
        },
    },
    "KafkaUser": {
        "type": "object",
        "additionalProperties": False,
        "required": ["authentication", "authorization"],
        "properties": {
            "authentication": {
                "type": "object",
                "additionalProperties": False,
                "required": ["type"],
                "properties": {"type": {"enum": ["scram-sha-512", "tls", "tls-external"]}},
            },
            "authorization": {
                "type": "object",
                "additionalProperties": False,
                "required": ["type", "acls"],
                "properties": {"type": {"const": "simple"}, "acls": {"type": "array", "minItems": 1, "items": ACL}},
            },
        },
    },
}


@pytest.mark.parametrize("file", ["topics.yaml", "users.yaml"])
def test_strimzi_resources_match_the_documented_shape(file):
    found = list(yaml.safe_load_all((STRIMZI / file).read_text()))
    assert found
    for resource in found:
        assert resource["apiVersion"] == "kafka.strimzi.io/v1"
        whole = {"apiVersion": {}, "kind": {}, "metadata": METADATA, "spec": SPECS[resource["kind"]]}
        schema = {"type": "object", "additionalProperties": False, "required": ["spec"], "properties": whole}
        jsonschema.Draft7Validator(schema).validate(resource)


def test_strimzi_resource_names_are_unique():
    every = list(chain.from_iterable(yaml.safe_load_all(file.read_text()) for file in STRIMZI.glob("*.yaml")))
    assert len({name_of(resource) for resource in every}) == len(every)

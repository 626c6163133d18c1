"""Renders the charts of deploy/helm with the real Helm, each once for a session."""

import os
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from stories_embedded.paths import CHECKOUT
from stories_shared.events.cloudevents import SERVICES

HELM = CHECKOUT / "deploy" / "helm"
TOOLS = CHECKOUT / ".venv-deploy"
EXAMPLES = ("minimal", "strimzi", "production", "small", "quickstart")
CHARTS = (*SERVICES, "gateway", "monitoring", "stores", "stories")
OLDEST, NEWEST = "1.31.0", "1.37.0"
"""The versions of Kubernetes for which the charts are rendered."""

Manifest = dict[str, Any]


class Refused(Exception):
    """Helm failed to render; contains its message."""


def helm(*arguments: str) -> str:
    """The output of Helm. Raises Refused with its message if it fails."""
    home = {name: str(TOOLS / "helm-home") for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")}
    run = subprocess.run(
        [TOOLS / "bin" / "helm", *arguments],
        cwd=HELM,
        env=os.environ | home,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if run.returncode:
        raise Refused("\n".join(line for line in run.stderr.splitlines() if "walk.go" not in line) + run.stdout)
    return run.stdout


@cache
def rendered(
    chart: str, example: str = "minimal", *options: str, release: str = "stories", version: str = NEWEST
) -> tuple[Manifest, ...]:
    """A chart's manifests with an example's values; a single chart gets its own block of them."""
    text = helm(
        "template", release, chart, "--namespace", "prod", "--kube-version", version, "--values",
        str(values_for(chart, example)), *options,
    )  # fmt: skip
    return read(text)


def read(text: str) -> tuple[Manifest, ...]:
    """The manifests of a rendered text, parsed with libyaml if available."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return tuple(manifest for manifest in yaml.load_all(text, loader) if manifest)


@cache
def values_for(chart: str, example: str) -> Path:
    """The example's file; for a single chart, `global` and its own block."""
    whole = HELM / "examples" / f"{example}.yaml"
    if chart == "stories":
        return whole
    values = yaml.safe_load(whole.read_text())
    own = TOOLS / "values" / f"{example}-{chart}.yaml"
    own.parent.mkdir(exist_ok=True)
    block = {name: value for name, value in values.get(chart, {}).items() if name != "enabled"}
    part = own.with_suffix(f".{os.getpid()}")
    part.write_text(yaml.safe_dump({"global": values["global"], **block}))
    return part.replace(own)  # atomically, because another worker may be reading it


def part(chart: str, example: str = "minimal") -> list[Manifest]:
    """The manifests of one chart within the umbrella; a test shows that they equal those of the chart alone."""
    return [
        manifest
        for manifest in rendered("stories", example)
        if manifest["metadata"]["labels"]["app.kubernetes.io/name"] == chart
    ]


def of_kind(manifests: Iterable[Manifest], *kinds: str) -> Iterator[Manifest]:
    """The manifests of some kinds."""
    return (manifest for manifest in manifests if manifest["kind"] in kinds)


def name_of(manifest: Manifest) -> str:
    """`Deployment/stories-feed`, for assertion messages."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def pods(manifests: Iterable[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Every pod template, with the name of its owner."""
    for manifest in of_kind(manifests, "Deployment", "StatefulSet", "Job"):
        yield name_of(manifest), manifest["spec"]["template"]


def containers(pod: Manifest) -> list[Manifest]:
    """All containers of a pod template."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def environment(container: Manifest) -> dict[str, str]:
    """The environment of a container."""
    return {entry["name"]: entry["value"] for entry in container.get("env", [])}

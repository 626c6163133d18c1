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
EXAMPLES = ("minimal", "strimzi", "production", "small")
CHARTS = (*SERVICES, "gateway", "monitoring", "stories")
KUBERNETES = ("1.31.0", "1.37.0")  # the oldest and the newest that we look at

Manifest = dict[str, Any]


class Refused(Exception):
    """Helm would not render; its words."""


def helm(*arguments: str) -> str:
    """What Helm says. Raises Refused with its words where it fails."""
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
    chart: str, example: str = "minimal", *options: str, release: str = "stories", version: str = KUBERNETES[-1]
) -> tuple[Manifest, ...]:
    """A chart's manifests with an example's values; one that stands alone takes its own block of them."""
    text = helm(
        "template", release, chart, "--namespace", "prod", "--kube-version", version, "--values",
        str(values_for(chart, example)), *options,
    )  # fmt: skip
    return read(text)


def read(text: str) -> tuple[Manifest, ...]:
    """The manifests of a rendered text, by the parser that is written in C where there is one."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return tuple(manifest for manifest in yaml.load_all(text, loader) if manifest)


@cache
def values_for(chart: str, example: str) -> Path:
    """The example's file; for a chart alone, `global` and what stands under its name."""
    whole = HELM / "examples" / f"{example}.yaml"
    if chart == "stories":
        return whole
    values = yaml.safe_load(whole.read_text())
    own = TOOLS / "values" / f"{example}-{chart}.yaml"
    own.parent.mkdir(exist_ok=True)
    block = {name: value for name, value in values.get(chart, {}).items() if name != "enabled"}
    part = own.with_suffix(f".{os.getpid()}")
    part.write_text(yaml.safe_dump({"global": values["global"], **block}))
    return part.replace(own)  # in one step: somebody else may be reading it


def part(chart: str, example: str = "minimal") -> list[Manifest]:
    """What the umbrella makes of one of its charts: the same as that chart alone, as a test shows."""
    return [
        manifest
        for manifest in rendered("stories", example)
        if manifest["metadata"]["labels"]["app.kubernetes.io/name"] == chart
    ]


def of_kind(manifests: Iterable[Manifest], *kinds: str) -> Iterator[Manifest]:
    """Those of some kinds."""
    return (manifest for manifest in manifests if manifest["kind"] in kinds)


def name_of(manifest: Manifest) -> str:
    """`Deployment/stories-feed`, for tests to say which one."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def pods(manifests: Iterable[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Every pod's template, with the name of what makes it."""
    for manifest in of_kind(manifests, "Deployment", "Job"):
        yield name_of(manifest), manifest["spec"]["template"]


def containers(pod: Manifest) -> list[Manifest]:
    """All containers of a pod's template."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def environment(container: Manifest) -> dict[str, str]:
    """A container's environment."""
    return {entry["name"]: entry["value"] for entry in container.get("env", [])}

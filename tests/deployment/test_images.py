"""The properties of deploy/Dockerfile, by its text; `make test/containers` builds it."""

import os
import re
import subprocess
from fnmatch import fnmatch
from pathlib import PurePosixPath

import pytest
from stories_embedded.paths import CHECKOUT
from stories_shared.events.cloudevents import SERVICES

DOCKERFILE = CHECKOUT / "deploy" / "Dockerfile"
# Instructions with their arguments, continuation lines joined.
INSTRUCTIONS = re.findall(r"^([A-Z]+) (.*)$", re.sub(r"\\\n\s*", "", DOCKERFILE.read_text()), re.MULTILINE)


def of(word: str) -> list[str]:
    """The arguments of each use of an instruction."""
    return [rest for each, rest in INSTRUCTIONS if each == word]


def test_only_the_base_image_is_pulled() -> None:
    stages = {rest.split(" AS ")[1] for rest in of("FROM")}
    assert {rest.split(" AS ")[0] for rest in of("FROM")} - stages == {"${BASE}"}
    assert re.fullmatch(r"BASE=docker\.io/library/python:\d+\.\d+\.\d+-slim-\w+", of("ARG")[0])


def test_every_wheel_has_its_locked_hash() -> None:
    installs = [rest for rest in of("RUN") if "pip sync" in rest or "pip install" in rest]
    assert len(installs) >= 5
    for rest in installs:
        assert "--require-hashes" in rest or "--no-deps --no-index" in rest, rest


def test_services_share_the_layer_of_what_others_made() -> None:
    pins = {
        name: set(
            re.findall(r"^\S+==\S+", (CHECKOUT / "services" / name / "requirements.lock").read_text(), re.MULTILINE)
        )
        for name in SERVICES
    }
    assert pins["expiry"]
    assert all(pins["expiry"] <= own for own in pins.values())
    before = [rest for rest in of("RUN") if "services/expiry/requirements.lock" in rest]
    assert len(before) == 1
    assert "SERVICE" not in before[0]


def test_image_runs_as_numeric_user_under_an_init_process() -> None:
    assert of("USER") == ["10001:10001"] * 2, "a number, so that Kubernetes can tell it is not root"
    assert all(rest.startswith('["/usr/bin/tini", "--"') for rest in of("ENTRYPOINT"))
    assert len(of("HEALTHCHECK")) == 1
    for labels in of("LABEL"):
        found = re.findall(r"org\.opencontainers\.image\.(\w+)=", labels)
        assert {"title", "version", "revision", "created", "licenses"} <= set(found)


def test_build_context_contains_only_copied_files() -> None:
    sent = context()
    assert {path.split("/")[0] for path in sent} == {"cli", "deploy", "services", "shared"}
    assert not [path for path in sent if "/tests/" in path or ".env" in path]
    mounted = [part for rest in of("RUN") for part in re.findall(r"type=bind,source=([^,\s]+)", rest)]
    for source in [rest.split()[0] for rest in of("COPY")] + mounted:
        expected = source.replace("${SERVICE}", "feed")
        assert [path for path in sent if path == expected or path.startswith(f"{expected}/")], source


@pytest.mark.needs_deploy_tools
def test_dockerfile_passes_hadolint() -> None:
    linter = CHECKOUT / ".venv-deploy" / "bin" / "hadolint"
    run = subprocess.run([linter, DOCKERFILE], check=False, capture_output=True, text=True, env=dict(os.environ))
    assert run.returncode == 0, run.stdout


def context() -> list[str]:
    """The tracked files that .dockerignore lets through."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, check=True, cwd=CHECKOUT, capture_output=True, text=True).stdout
    return [path for path in listed.splitlines() if not ignored(path) and (CHECKOUT / path).exists()]


def ignored(path: str) -> bool:
    """Whether .dockerignore excludes the path: the last pattern that matches it or a parent folder decides."""
    verdict = False
    places = [path, *map(str, PurePosixPath(path).parents)]
    for line in (CHECKOUT / ".dockerignore").read_text().splitlines():
        pattern = line.strip()
        if pattern and not pattern.startswith("#") and any(fits(place, pattern.lstrip("!")) for place in places):
            verdict = not pattern.startswith("!")
    return verdict


def fits(place: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch(PurePosixPath(place).name, pattern[3:])
    parts, expected = place.split("/"), pattern.split("/")
    return len(parts) == len(expected) and all(map(fnmatch, parts, expected))

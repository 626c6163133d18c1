"""The images and docker-compose.yml on a Docker daemon: `make test/containers`."""

import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from PIL import Image
from stories_embedded.paths import CHECKOUT
from stories_embedded.ports import free_port
from stories_ingest.testing.samples import sample_clip
from stories_shared.testing import wait_until

from .compose import make_secrets, secrets

SERVICES = ("ingest", "feed", "engagement", "expiry")
FILES = ("-f", "docker-compose.yml", "-f", "deploy/compose.seaweedfs.yml")
PASSWORD = "p+q %/@:$#?x"
INSTALLED = (
    "import importlib.metadata as m, json;"
    "print(json.dumps({d.metadata['Name'].lower().replace('_', '-'): d.version for d in m.distributions()}))"
)
WITHOUT_PASSWORD = """
import aiokafka, asyncio
async def connect():
    await aiokafka.AIOKafkaConsumer(bootstrap_servers="kafka:9092", request_timeout_ms=5000).start()
asyncio.run(connect())
"""
MB = 1024 * 1024
until = partial(wait_until, within_s=120, every_s=0.5)
pytestmark = [pytest.mark.needs_docker, pytest.mark.timeout(1800)]


def docker(*arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run docker in the checkout."""
    command = ["docker", *map(str, arguments)]
    run = subprocess.run(command, check=False, cwd=CHECKOUT, capture_output=True, text=True, timeout=1500)
    assert not check or run.returncode == 0, f"{command}\n{run.stdout[-2000:]}{run.stderr[-4000:]}"
    return run


@pytest.fixture(scope="module", autouse=True)
def daemon() -> None:
    """Skips if no daemon answers."""
    if not shutil.which("docker") or docker("info", check=False).returncode:
        pytest.skip("no Docker daemon answers: the images are not built and compose is not started")


class Stack:
    """The project, on its own ports, with passwords that need quoting everywhere."""

    def __init__(self, folder: Path) -> None:
        taken: set[int] = set()
        ports = {name: free_port(taken) for name in ("GATEWAY_PORT", "S3_PORT", "KAFKA_PORT")}
        given = {name: str(port) for name, port in ports.items()}
        given["S3_PUBLIC_ENDPOINT"] = f"127.0.0.1:{ports['S3_PORT']}"
        accounts = [f"MONGO_{user.upper()}_PASSWORD" for user in ("root", "operator", "monitor", *SERVICES)]
        given |= dict.fromkeys((*accounts, "S3_SECRET_KEY", "GRAFANA_PASSWORD"), f"'{PASSWORD}'")
        self.origin = given["CORS_ORIGINS"] = "https://app.example"
        self.env_file = secrets(folder)
        with self.env_file.open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in given.items())
        run = make_secrets(folder)
        assert run.returncode == 0, run.stderr
        self.secrets = {path.name: path.read_text() for path in (folder / ".secrets").glob("[A-Z]*")}
        self.name = f"stories-test-{uuid4().hex[:8]}"
        self.files: tuple[str, ...] = FILES
        self.api = f"http://127.0.0.1:{ports['GATEWAY_PORT']}"

    def compose(self, *arguments: object) -> str:
        """Run docker compose and return its output."""
        return self.tried(*arguments, check=True).stdout

    def tried(self, *arguments: object, check: bool = False) -> subprocess.CompletedProcess[str]:
        """Run docker compose, which may fail."""
        command = ("compose", "-p", self.name, "--env-file", self.env_file, *self.files, *arguments)
        return docker(*command, check=check)

    def volumes(self) -> set[str]:
        """The volumes of the project."""
        return set(docker("volume", "ls", "--quiet").stdout.split())

    def client(self, user: str) -> httpx.Client:
        """A client of a user, with a token made by the CLI in its image."""
        token = self.compose("run", "--rm", "cli", "token", user).strip()
        return httpx.Client(base_url=self.api, headers={"Authorization": f"Bearer {token}"}, timeout=120)


@pytest.fixture(scope="module")
def stack(daemon: None) -> Iterator[Stack]:
    """The built and running project."""
    folder = CHECKOUT / ".stories-test" / f"containers-{uuid4().hex[:8]}"  # a daemon may see no more than the checkout
    folder.mkdir(parents=True)
    made = Stack(folder)
    made.compose("--profile", "tools", "build")
    before = made.volumes()
    try:
        made.compose("up", "--wait")
        yield made
    finally:
        made.compose("--profile", "*", "down", "--volumes", "--remove-orphans")
        shutil.rmtree(folder)
    assert made.volumes() <= before, "no volume without a name is left"


def image_of(stack: Stack, name: str) -> str:
    """The image of a service of the project."""
    services = json.loads(stack.compose("--profile", "tools", "config", "--format", "json"))["services"]
    return str(services[name]["image"])


def packages(image: str) -> dict[str, str]:
    """The versions of the packages in an image."""
    command = ("run", "--rm", "--network", "none", "--entrypoint", "python", image, "-c", INSTALLED)
    return dict(json.loads(docker(*command).stdout))


@pytest.mark.parametrize("name", [*SERVICES, "cli"])
def test_image_contains_its_service_the_shared_code_and_its_lock(stack: Stack, name: str) -> None:
    image = image_of(stack, name)
    found = set(packages(image))
    folder = CHECKOUT / ("cli" if name == "cli" else f"services/{name}")
    locked = set(re.findall(r"^([a-z0-9._-]+)==", (folder / "requirements.lock").read_text(), re.MULTILINE))
    assert {each for each in found if each.startswith("stories-")} == {"stories-shared", f"stories-{name}"}
    assert {each for each in found if not each.startswith("stories-")} <= locked
    config = json.loads(docker("image", "inspect", image).stdout)[0]["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"][0] == "/usr/bin/tini"


def shown_secrets(stack: Stack) -> set[str]:
    """The names of secrets that `docker inspect` shows of any container of the project, running or not."""
    containers = stack.compose("--profile", "*", "ps", "--all", "--quiet").split()
    assert len(containers) > 10
    texts = [str(text) for text in leaves(json.loads(docker("inspect", *containers).stdout))]
    return {name for name, value in stack.secrets.items() if any(value in text for text in texts)}


def leaves(value: Any) -> Iterator[Any]:
    """What a document holds."""
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from leaves(each)
    else:
        yield value


def test_no_container_shows_a_secret(stack: Stack) -> None:
    assert shown_secrets(stack) == set()


def test_embedded_commands_report_that_they_are_not_installed(stack: Stack) -> None:
    for command in ("up", "status", "demo"):
        run = stack.tried("run", "--rm", "cli", command)
        assert run.returncode != 0, command
        assert "not installed here" in run.stderr, command
        assert "Traceback" not in run.stderr, command


def test_token_command_runs_no_init_container(stack: Stack) -> None:
    def finished() -> str:
        container = stack.compose("ps", "--all", "--quiet", "mongodb-init").strip()
        return docker("inspect", "--format", "{{.State.FinishedAt}}", container).stdout

    before = finished()
    stack.client("somebody").close()
    assert finished() == before


def upload(client: httpx.Client, content: bytes, content_type: str) -> str:
    """Upload a file; returns the story's id."""
    made = client.post("/v1/stories", json={"media": {"content_type": content_type, "size": len(content)}})
    assert made.status_code == 201, made.text
    form = made.json()["upload"]
    sent = httpx.post(form["url"], data=form["fields"], files={"file": ("file", content)}, timeout=300)
    assert sent.status_code in {200, 204}, sent.text
    return str(made.json()["id"])


def live_photo(client: httpx.Client) -> str:
    """Post a photo and wait until it is live; returns the story's id."""
    picture = io.BytesIO()
    Image.new("RGB", (1080, 1920), "teal").save(picture, "JPEG")
    story = upload(client, picture.getvalue(), "image/jpeg")
    client.post(f"/v1/stories/{story}/publish", params={"wait": 10})
    until(lambda: client.get(f"/v1/me/stories/{story}").json().get("state") == "live", "the story lives")
    return story


def test_photo_is_posted_viewed_and_expires(stack: Stack) -> None:
    ann, bob = stack.client("ann"), stack.client("bob")
    assert bob.put("/v1/following/ann").status_code == 204
    story = live_photo(ann)
    until(lambda: story in bob.get("/v1/users/ann/stories").text, "Bob sees it")
    (url,) = re.findall(r'"media_url":\s*"([^"]+)"', bob.get("/v1/users/ann/stories").text)
    media = httpx.get(url, headers={"Origin": stack.origin, "Range": "bytes=0-9"})
    assert (media.status_code, len(media.content)) == (206, 10)
    exposed = {name.strip().lower() for name in media.headers["access-control-expose-headers"].split(",")}
    assert exposed == {"*"} or {"etag", "content-range", "accept-ranges"} <= exposed
    assert ann.delete(f"/v1/stories/{story}").status_code == 204
    until(lambda: ann.get(f"/v1/stories/{story}/receipt").json().get("complete"), "its receipt is complete")


def test_video_goes_live_in_the_image(stack: Stack, tmp_path: Path) -> None:
    ann = stack.client("ann")
    clip = sample_clip(tmp_path / "clip.mp4", 3)
    story = upload(ann, clip.read_bytes(), "video/mp4")
    ann.post(f"/v1/stories/{story}/publish", params={"wait": 20})
    own = f"/v1/me/stories/{story}"
    until(lambda: ann.get(own).json().get("state") not in {"draft", "processing"}, "the media job ends")
    found = ann.get(own).json()
    assert found["state"] == "live", found
    assert found["duration_ms"] == pytest.approx(3000, abs=200)


def test_media_suite_passes_in_the_image(stack: Stack) -> None:
    shipped, tests = image_of(stack, "ingest"), f"{stack.name}-media-suite"
    file = "tests/deployment/media-suite.Dockerfile"
    docker("build", "--quiet", "--file", file, "--tag", tests, "--build-arg", f"IMAGE={shipped}", ".")
    try:
        assert packages(shipped).items() <= packages(tests).items()
        sandbox = (
            "--rm",
            "--network",
            "none",
            "--read-only",
            "--tmpfs",
            "/tmp",
            "--volume",
            f"{CHECKOUT}:/checkout:ro",
        )
        suite = ("-q", "-m", "not nightly", "services/ingest/tests/media")
        run = docker("run", *sandbox, tests, *suite, check=False)
        assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
        assert re.search(r"\d+ passed", run.stdout)
    finally:
        docker("image", "rm", tests)


def test_scaled_service_and_restarted_servers_answer_again(stack: Stack) -> None:
    ann = stack.client("ann")
    stack.compose("up", "--wait", "--no-recreate", "--scale", "feed=2")
    stack.compose("kill", "--signal", "KILL", "feed")
    stack.compose("up", "--wait", "--scale", "feed=2")
    until(lambda: ann.get("/v1/tray").status_code == 200, "trays are read from new replicas")
    stack.compose("restart", "kafka", "mongodb")
    until(lambda: ann.get("/v1/me/quota").status_code == 200, "ingest answers after a restart of its servers")


def test_stories_outlive_down_and_up(stack: Stack) -> None:
    ann = stack.client("ann")
    story = live_photo(ann)
    stack.compose("down", "--remove-orphans")
    stack.compose("up", "--wait")
    assert ann.get(f"/v1/me/stories/{story}").json()["state"] == "live"
    until(lambda: story in ann.get("/v1/users/ann/stories").text, "its index is loaded again")


def test_an_upload_may_be_larger_than_the_store_s_tmp(stack: Stack) -> None:
    assert upload(stack.client("ann"), bytes(100 * MB), "video/mp4")


def test_media_workers_reach_nothing_but_the_stores(stack: Stack) -> None:
    def connects(container: str, host: str, port: int) -> bool:
        probe = f"import socket; socket.create_connection(({host!r}, {port}), 3)"
        run = stack.tried("exec", container, "python", "-c", probe)
        assert run.returncode == 0 or "Traceback" in run.stderr, run.stderr
        return run.returncode == 0

    assert connects("ingest-worker", "mongodb", 27017)
    assert connects("ingest-worker", "s3", 9000)
    for host, port in (("1.1.1.1", 443), ("feed", 8000), ("gateway", 8080), ("ingest", 8000)):
        assert not connects("ingest-worker", host, port), host


def test_a_story_lives_with_passwords_for_kafka(stack: Stack) -> None:
    """The last test, since the override stays."""
    stack.files = (*FILES, "-f", "deploy/compose.sasl.yml")
    stack.compose("up", "--wait")
    ann, bob = stack.client("ann"), stack.client("bob")
    story = live_photo(ann)
    until(lambda: story in bob.get("/v1/users/ann/stories").text, "feed has read the log")
    assert ann.delete(f"/v1/stories/{story}").status_code == 204
    until(lambda: ann.get(f"/v1/stories/{story}/receipt").json().get("complete"), "its receipt is complete")
    assert shown_secrets(stack) == set()
    run = stack.tried("exec", "feed", "python", "-c", WITHOUT_PASSWORD)
    assert run.returncode != 0
    assert "KafkaConnectionError" in run.stderr
    stack.compose("run", "--rm", "cli", "dlq", "list")

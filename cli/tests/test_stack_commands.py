"""`stories up` and the other stack commands, on a complete stack of real processes."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from stories_embedded.data_dir import DataDir, ProcessState
from stories_embedded.paths import CHECKOUT
from stories_embedded.ports import free_port
from stories_shared.testing import wait_until

from tests.journeys.samples import Samples

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]

TIMEOUT_S = 200.0  # a stack starts in seconds, but not on a machine that does ten other things
NAMES = {"ingest", "feed", "feed-2", "engagement", "expiry", "gateway", "mongod", "kafka", "s3"}


def stories(*arguments: str, data: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stories_cli", *arguments, "--data", str(data)]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=TIMEOUT_S, env={**os.environ, **environ}
    )


class Stack:
    """A running `stories up`."""

    def __init__(self, data: Path, *arguments: str, **environ: str) -> None:
        self.data = data
        self.words = (data.parent / f"{data.name}.words").open("w+")
        command = [sys.executable, "-m", "stories_cli", "up", "--data", str(data), "--gateway-port", "0", *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.words, text=True, env={**os.environ, **environ}
        )
        assert self.process.stdout
        self.line = self.process.stdout.readline()
        self.words.seek(0)
        assert self.line.startswith("ready: "), self.words.read()
        self.url = self.line.removeprefix("ready: ").strip()

    def status(self) -> dict[str, ProcessState]:
        return {each.name: each for each in DataDir(self.data).processes()}

    def all_running(self) -> bool:
        return all(each.state == "running" for each in self.status().values())

    def get(self, path: str, token: str) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=10)

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(TIMEOUT_S)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    found = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    root = CHECKOUT / ".stories-test"
    root.mkdir(exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="stacks-", dir=root))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def stack(folder: Path) -> Iterator[Stack]:
    running = Stack(folder / "one", "--replicas", "feed=2", "--lifetimes", "24h,20s", LIMIT_CREATE="1000")
    yield running
    if running.process.poll() is None:
        running.stop()


@pytest.fixture(scope="module")
def token(stack: Stack) -> str:
    return stories("token", "ann", data=stack.data).stdout.strip()


def test_up_prints_one_line_when_ready(stack: Stack) -> None:
    assert stack.line == f"ready: {stack.url}\n"
    assert httpx.get(f"{stack.url}/v1/config", trust_env=False).status_code == 200


def test_status_lists_every_process_and_exits_0_when_all_run(stack: Stack) -> None:
    run = stories("status", "--json", data=stack.data)
    listed = json.loads(run.stdout)
    assert {each["name"] for each in listed} == NAMES
    assert all(set(each) == {"name", "pid", "state", "url", "restarts"} for each in listed)
    assert all(each["state"] == "running" and psutil.pid_exists(each["pid"]) for each in listed)
    assert run.returncode == 0


def test_settings_in_the_environment_of_up_reach_the_services(stack: Stack) -> None:
    config = httpx.get(f"{stack.url}/v1/config", trust_env=False).json()
    assert config["limits"]["create"] == 1000
    assert config["lifetimes"] == ["24h", "20s"]


def test_env_prints_the_settings_of_an_additional_replica(stack: Stack) -> None:
    lines = stories("env", "feed", data=stack.data).stdout.splitlines()
    settings = dict(line.split("=", 1) for line in lines)
    assert settings["MONGO_DATABASE"] == "stories_feed"
    assert settings["LIMIT_CREATE"] == "1000"
    assert settings["PUBLIC_URL"] == stack.url
    more = subprocess.Popen([sys.executable, "-m", "stories_feed"], env={**os.environ, **settings})
    try:

        def ready() -> bool:
            with contextlib.suppress(httpx.TransportError):
                url = f"http://127.0.0.1:{settings['PORT']}/readyz"
                return httpx.get(url, trust_env=False).status_code == 200
            return False

        wait_until(ready, "the replica started by hand is ready", TIMEOUT_S)
    finally:
        more.terminate()
        more.wait(TIMEOUT_S)


def test_token_is_accepted_and_admin_token_grants_admin_routes(stack: Stack, token: str) -> None:
    admin = stories("token", "root", "--admin", "--country", "SE", data=stack.data).stdout.strip()
    assert stack.get("/v1/me/quota", token).status_code == 200
    assert stack.get("/v1/admin/erasure", token).status_code == 404
    assert stack.get("/v1/admin/erasure", admin).status_code == 200


def test_post_uploads_publishes_and_prints_the_live_story(stack: Stack, folder: Path) -> None:
    photo = folder / "photo.jpg"
    photo.write_bytes(Samples(folder).photo().content)
    run = stories("post", str(photo), "--as", "ann", "--caption", "first light", "--json", data=stack.data)
    assert run.returncode == 0, run.stderr
    story = json.loads(run.stdout)
    assert (story["state"], story["caption"], story["author_id"]) == ("live", "first light", "ann")
    run = stories("api", "get", f"/v1/me/stories/{story['id']}", "--as", "ann", "--json", data=stack.data)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["body"]["id"] == story["id"]


def test_post_rejects_files_that_are_neither_photo_nor_clip(stack: Stack, folder: Path) -> None:
    (folder / "notes.txt").write_text("words")
    run = stories("post", str(folder / "notes.txt"), "--as", "ann", data=stack.data)
    assert (run.returncode, run.stdout) == (2, "")
    (folder / "notes.jpg").write_text("words")
    run = stories("post", str(folder / "notes.jpg"), "--as", "ann", data=stack.data)
    assert (run.returncode, run.stdout) == (1, "")
    assert "not_media" in run.stderr


def test_api_prints_the_body_and_fails_on_an_error_response(stack: Stack) -> None:
    run = stories("api", "PUT", "/v1/me/privacy", '{"view_history": true}', "--as", "bob", data=stack.data)
    assert run.returncode == 0, run.stderr + run.stdout
    run = stories("api", "GET", "/v1/stories/none", "--as", "bob", data=stack.data)
    assert run.returncode == 1
    assert "404" in run.stdout
    assert stories("api", "GET", "v1/tray", "--as", "bob", data=stack.data).returncode == 2
    assert stories("api", "PUT", "/v1/me/privacy", "{", "--as", "bob", data=stack.data).returncode == 2


def test_erasure_status_counts_open_receipts(stack: Stack) -> None:
    run = stories("erasure", "status", "--json", data=stack.data)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["open"].keys() == {"media", "feed", "engagement"}


def test_token_command_prints_one_token_per_line(stack: Stack) -> None:
    assert len(stories("token", "ann", "bob", "cy", data=stack.data).stdout.split()) == 3


def test_secrets_are_readable_only_by_their_owner(stack: Stack) -> None:
    secret = [stack.data / "keys" / "signing-key.pem", stack.data / "keys" / "secrets.json", stack.data / "stack.json"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in [stack.data, *secret])


@pytest.mark.parametrize("name", ["engagement", "s3", "gateway", "kafka", "mongod"])
def test_killed_process_restarts_on_the_same_port(stack: Stack, token: str, name: str) -> None:
    before = stack.status()[name]
    assert before.pid
    os.kill(before.pid, signal.SIGKILL)
    wait_until(lambda: stack.status()[name].pid not in (None, before.pid), f"another {name}", TIMEOUT_S)
    wait_until(stack.all_running, "all running again", TIMEOUT_S)
    after = stack.status()[name]
    assert (after.url, after.restarts) == (before.url, before.restarts + 1)
    wait_until(lambda: stack.get("/v1/me/privacy", token).status_code == 200, "answers again", TIMEOUT_S)


def test_logs_show_what_a_process_wrote(stack: Stack) -> None:
    run = stories("logs", "feed", "feed-2", "-n", "5", data=stack.data)
    assert {line.split()[0] for line in run.stdout.splitlines()} == {"feed", "feed-2"}
    assert stories("logs", "nobody", data=stack.data).returncode == 2


def test_second_up_on_the_same_folder_is_rejected(stack: Stack) -> None:
    run = stories("up", "--gateway-port", "0", data=stack.data)
    assert run.returncode == 1
    assert f"pid {stack.process.pid}" in run.stderr


def test_taken_port_is_rejected_with_the_pid_of_its_process(stack: Stack, folder: Path) -> None:
    port = stack.url.rpartition(":")[2]
    run = stories("up", "--gateway-port", port, data=folder / "taken")
    assert run.returncode == 1
    assert f"port {port} of the gateway is taken by pid {stack.status()['gateway'].pid}" in run.stderr


@pytest.mark.parametrize(
    "wrong", [["--replicas", "nobody=2"], ["--replicas", "feed=0"], ["--s3", "floppy"], ["--nope"]]
)
def test_wrong_usage_is_exit_code_2(folder: Path, wrong: list[str]) -> None:
    assert stories("up", *wrong, data=folder / "never").returncode == 2


def test_invalid_setting_stops_the_start_and_is_named(folder: Path) -> None:
    run = stories("up", "--gateway-port", "0", data=folder / "wrong", STORY_LIFETIMES="soon")
    assert run.returncode == 1
    assert "STORY_LIFETIMES" in run.stderr


@pytest.mark.nightly
def test_stacks_run_side_by_side_and_a_killed_supervisor_leaves_no_orphan(stack: Stack, folder: Path) -> None:
    data = folder / "two"
    port = str(free_port(set()))
    run = stories("up", "--detach", "--gateway-port", port, data=data)
    assert (run.stdout, run.returncode) == (f"ready: http://127.0.0.1:{port}\n", 0), run.stderr
    supervisor = psutil.Process(json.loads((data / "stack.json").read_text())["pid"])
    children = supervisor.children(recursive=True)
    assert len(children) >= 8
    foreign = stories("token", "ann", data=data).stdout.strip()
    assert stack.get("/v1/me/quota", foreign).status_code == 401, "a token is good on its own stack only"

    supervisor.kill()
    wait_until(lambda: not alive(children), "every child is gone", TIMEOUT_S)
    wait_until(
        lambda: not DataDir(data).is_locked(), "its folder is free", TIMEOUT_S
    )  # the kernel closes its files a moment later
    assert stack.all_running(), "the other stack is not touched"
    assert stories("down", data=data).returncode == 0


def test_ctrl_c_stops_everything_in_order(stack: Stack) -> None:
    children = stack.family()
    assert stack.stop() == 0
    assert not alive(children)
    run = stories("status", "--json", data=stack.data)
    assert run.returncode == 3
    assert {each["state"] for each in json.loads(run.stdout)} == {"stopped"}


def test_down_with_nothing_running_is_fine(folder: Path) -> None:
    assert stories("down", data=folder / "nothing").returncode == 0

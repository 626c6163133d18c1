"""The web client in a real Chromium and Firefox: `make check/web` installs what it needs beside the browser."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from stories_embedded.paths import CHECKOUT

from ..journeys.stack import Stack

BROWSER = CHECKOUT / "web" / "tests" / "browser"
CHROMIUM = shutil.which("chromium")
FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
JOURNEYS = (
    "life",
    "expiry",
    "keyboard",
    "player",
    "refusal",
    "camera",
    "cutting",
    "offline",
    "scenes",
    "moderation",
    "planning",
    "archive",
    "shell",
    "accessibility",
)

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(not (CHECKOUT / "node_modules" / "installed").exists(), reason="run make check/web"),
]
chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is missing: sudo apt-get install -y chromium")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    subprocess.run([sys.executable, BROWSER / "scenes.py", folder], check=True)
    return folder


@chromium
@pytest.mark.parametrize("journey", JOURNEYS)
def test_journey_in_a_browser(stack: Stack, scenes: Path, journey: str) -> None:
    run(journey, STORIES_URL=stack.url, SCENES=str(scenes))


@pytest.mark.skipif(FIREFOX is None, reason="Firefox is missing: sudo apt-get install -y firefox-esr")
@pytest.mark.parametrize("journey", ["life", "keyboard"])  # clips need codecs that not every Firefox finds
def test_journey_in_firefox(stack: Stack, scenes: Path, journey: str) -> None:
    run(journey, STORIES_URL=stack.url, SCENES=str(scenes), FIREFOX=str(FIREFOX))


@chromium
def test_sign_in_at_an_openid_provider() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        issuer = f"http://127.0.0.1:{free.getsockname()[1]}"
    stack = Stack.make(settings={"AUTH_ISSUER": issuer, "AUTH_AUDIENCE": "stories", "OIDC_CLIENT_ID": "stories-web"})
    try:
        stack.start()
        run("oidc", STORIES_URL=stack.url, AUTH_ISSUER=issuer)
    finally:
        stack.remove(keep_logs=False)


def run(journey: str, **given: str) -> None:
    environment = {**os.environ, **given, "CHROMIUM": str(CHROMIUM)}
    ran = subprocess.run(
        ["node", "journeys.mjs", journey], cwd=BROWSER, env=environment, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr

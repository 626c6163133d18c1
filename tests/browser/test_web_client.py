"""The web client in a real Chromium, Firefox and WebKit: `make check/web` installs what it needs beside the browser."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from ctypes.util import find_library
from pathlib import Path

import pytest
from stories_embedded.paths import CHECKOUT
from stories_embedded.ports import free_port

from ..journeys.stack import Stack
from ..stacks import MakeStack

BROWSER = CHECKOUT / "web" / "tests" / "browser"
CHROMIUM = shutil.which("chromium")
FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
MINIBROWSER = next(Path("/usr/lib").glob("*/webkit2gtk-4.1/MiniBrowser"), None)
XVFB = shutil.which("Xvfb")
DECODES = find_library("avcodec") is not None
"""Firefox plays H.264 with the system's libavcodec, which its package only recommends."""
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
    "answers",
    "people",
    "discover",
    "making",
    "uploading",
    "widths",
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
@pytest.mark.parametrize(
    "journey",
    [
        "life",
        "keyboard",
        pytest.param("player", marks=pytest.mark.skipif(not DECODES, reason="libavcodec is missing")),
    ],
)
def test_journey_in_firefox(stack: Stack, scenes: Path, journey: str) -> None:
    run(journey, STORIES_URL=stack.url, SCENES=str(scenes), FIREFOX=str(FIREFOX))


@pytest.fixture
def display() -> Iterator[str]:
    """A screen that nobody sees, for a browser that needs one."""
    reading, writing = os.pipe()
    screen = subprocess.Popen(
        [XVFB or "Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x900x24"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as answer:
        yield f":{answer.readline().strip()}"
    screen.terminate()
    screen.wait()


@pytest.mark.skipif(
    not (MINIBROWSER and XVFB and shutil.which("WebKitWebDriver")),
    reason="WebKit is missing: sudo apt-get install -y webkit2gtk-driver xvfb gstreamer1.0-libav",
)
def test_main_journey_in_webkit(stack: Stack, scenes: Path, display: str) -> None:
    run(str(MINIBROWSER), script="webkit.mjs", STORIES_URL=stack.url, SCENES=str(scenes), DISPLAY=display)


@chromium
def test_sign_in_at_an_openid_provider(make_stack: MakeStack) -> None:
    issuer = f"http://127.0.0.1:{free_port(set())}"
    settings = {"AUTH_ISSUER": issuer, "AUTH_AUDIENCE": "stories", "OIDC_CLIENT_ID": "stories-web"}
    with make_stack(settings=settings) as stack:
        run("oidc", STORIES_URL=stack.url, AUTH_ISSUER=issuer)


def run(journey: str, script: str = "journeys.mjs", **given: str) -> None:
    environment = {**os.environ, **given, "CHROMIUM": str(CHROMIUM)}
    ran = subprocess.run(
        ["node", script, journey], cwd=BROWSER, env=environment, capture_output=True, text=True, timeout=600
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr

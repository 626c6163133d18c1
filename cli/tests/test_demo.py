"""`stories demo` works."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PATIENCE_S = 400


@pytest.mark.servers
@pytest.mark.timeout(PATIENCE_S + 60)
def test_demo_succeeds_and_removes_its_folder() -> None:
    before = set(CHECKOUT.glob(".stories-demo-*"))
    ran = subprocess.run(
        [sys.executable, "-m", "stories_cli", "demo", "--lifetime", "12"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    receipt = json.loads(ran.stdout[ran.stdout.index("{\n") :])
    assert receipt["complete"]
    assert set(receipt["erased"]) == {"media", "feed", "engagement"}
    assert set(CHECKOUT.glob(".stories-demo-*")) == before

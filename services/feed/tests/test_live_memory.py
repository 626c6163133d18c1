"""What one live connection costs."""

import subprocess
import sys
from pathlib import Path

import pytest

MAX_BYTES = 20 * 1024  # contract


@pytest.mark.nightly
def test_a_live_connection_costs_at_most_twenty_kilobytes() -> None:
    script = Path(__file__).with_name("connection_memory.py")
    measured = subprocess.run([sys.executable, script, "1000"], capture_output=True, text=True, check=True)
    assert int(measured.stdout.split()[-1]) <= MAX_BYTES

"""`stories bench` finds the checkout and lists its figures."""

import subprocess
import sys


def test_bench_refuses_an_unknown_figure_and_lists_the_known() -> None:
    found = subprocess.run([sys.executable, "-m", "stories_cli", "bench", "nothing"], capture_output=True, text=True)
    assert found.returncode == 2
    assert "no such figure: nothing" in found.stderr
    assert "views-counted" in found.stderr

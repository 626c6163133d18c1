"""`pip install stories-shared`, without the extra of the services, is enough for an outside producer."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

SHARED = Path(__file__).parents[1]

PROGRAM = """
import importlib, importlib.abc, pkgutil, sys

class OnlyThese(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in ALLOWED and top not in sys.stdlib_module_names:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, OnlyThese())
import stories_shared.events
for module in pkgutil.iter_modules(stories_shared.events.__path__):
    importlib.import_module("stories_shared.events." + module.name)
"""


def test_events_need_only_the_base_dependencies() -> None:
    required = tomllib.loads((SHARED / "pyproject.toml").read_text())["project"]["dependencies"]
    allowed = {re.split(r"[^A-Za-z0-9_-]", each)[0].replace("-", "_") for each in required} | {"stories_shared"}
    assert len(allowed) <= 4, "an outside producer installs little"
    program = f"ALLOWED = {allowed!r}\n{PROGRAM}"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr

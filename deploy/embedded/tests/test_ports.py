"""Free ports are chosen without conflicts between processes, before they are bound."""

import subprocess
import sys

import pytest
from stories_embedded import ports

CHOOSE = """
from stories_embedded import ports
print(ports.free_port(set()), flush=True)
input()
"""


def test_chosen_port_is_reserved_until_its_process_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CHOOSE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        theirs = int(other.stdout.readline())
        spare = ports.free_port({theirs})
        ports.chosen.pop().close()
        offered = iter([theirs, spare])
        monkeypatch.setattr(ports.random, "choice", lambda _: next(offered))
        assert ports.free_port(set()) == spare
        assert ports.is_free(theirs), "nothing listens there yet"
        other.communicate("\n")
    monkeypatch.setattr(ports.random, "choice", lambda _: theirs)
    assert ports.free_port(set()) == theirs, "it is forgotten with the process"

"""Executable documentation: the shell blocks of a page, and the responses printed below them."""

import asyncio
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
READS_ONLY = re.compile(r"^(?!.*(-X|--json|-F|--data)\b).*$", re.DOTALL)
ANYTHING = "…"
DEADLINE_S = 30.0  # for the effect of an earlier step to show
COMMAND_S = 120.0  # for one block: several processes, on a machine that is busy


@dataclass(frozen=True)
class Step:
    """One shell block and the response printed below it, if any."""

    command: str
    answer: str | None

    @property
    def repeatable(self) -> bool:
        """Whether it only reads, so that it can be retried until an earlier step has taken effect."""
        return bool(READS_ONLY.match(self.command))


def steps(page: str) -> Iterator[Step]:
    """The shell blocks of a page in order."""
    blocks = [(found[1], found[2]) for found in FENCE.finditer(page)]
    for (language, text), following in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if language == "sh":
            yield Step(text, following[1] if following[0] == "json" else None)


def differences(expected: Any, got: Any, where: str = "$") -> list[str]:
    """Where a response differs from the printed one. `…` matches any text, and as a key further members."""
    if isinstance(expected, str) and ANYTHING in expected:
        pattern = ".+".join(re.escape(part) for part in expected.split(ANYTHING))
        return [] if isinstance(got, str) and re.fullmatch(pattern, got) else [f"{where}: {got!r} is not {expected!r}"]
    if isinstance(expected, dict) and isinstance(got, dict):
        keys = expected.keys() - {ANYTHING}
        unexpected = set() if ANYTHING in expected else got.keys() - keys
        found = [f"{where}: members {sorted(keys ^ got.keys())}"] if keys - got.keys() or unexpected else []
        return found + [
            each for key in keys & got.keys() for each in differences(expected[key], got[key], f"{where}.{key}")
        ]
    if isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        pairs = enumerate(zip(expected, got, strict=True))
        return [each for at, (one, other) in pairs for each in differences(one, other, f"{where}[{at}]")]
    return [] if expected == got else [f"{where}: {got!r} is not {expected!r}"]


@dataclass(frozen=True)
class Reader:
    """A shell session with the commands of a page: variables persist from one block to the next."""

    folder: Path
    env: dict[str, str]

    async def follow(self, page: str) -> int:
        """Run every step and compare every response; returns their number.

        Raises: AssertionError: a command failed, or its response differs from the printed one.
        """
        found = list(steps(page))
        for step in found:
            await self.take(step)
        return len(found)

    async def take(self, step: Step) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while problem := await self.attempt(step):
            assert step.repeatable, problem
            assert time.monotonic() < deadline, problem
            await asyncio.sleep(0.1)

    async def attempt(self, step: Step) -> str | None:
        """Run a step; returns the differences."""
        state = self.folder / "variables"
        state.touch()
        script = f"set -a; . {state}; set +e\nset -euo pipefail\n{step.command}\nexport -p > {state}\n"
        options: dict[str, Any] = {"capture_output": True, "text": True, "timeout": COMMAND_S, "check": False}
        environment = os.environ | self.env
        run = await asyncio.to_thread(
            subprocess.run, ["bash", "-c", script], cwd=self.folder, env=environment, **options
        )
        if run.returncode != 0:
            return f"{step.command}\nexit code {run.returncode}\n{run.stdout}{run.stderr[-2000:]}"
        if step.answer is None:
            return None
        try:
            found = differences(json.loads(step.answer), json.loads(run.stdout))
        except json.JSONDecodeError as error:
            found = [f"{error} in {run.stdout!r}"]
        return f"{step.command}\n" + "\n".join(found) if found else None

"""Reads deploy/Dockerfile, and carries out its build stage in a folder instead of a container.

What the stage copies is what the folder gets, of what .dockerignore lets through; what it runs is run there, with the
absolute paths of WORKDIR and ENV moved below the folder. So a test of what an image holds cannot drift from the file.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from stories_embedded.checkout import CHECKOUT

DOCKERFILE = CHECKOUT / "deploy" / "Dockerfile"
BUILD_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Instruction:
    """`COPY shared/src shared/src` as its word and the rest."""

    word: str
    rest: str


@dataclass(frozen=True, slots=True)
class Stage:
    """What stands between two FROMs."""

    name: str
    base: str
    instructions: tuple[Instruction, ...]

    def rests(self, word: str) -> list[str]:
        """What follows the word, each time it is used."""
        return [each.rest for each in self.instructions if each.word == word]


def stages(text: str) -> dict[str, Stage]:
    """The stages of a Dockerfile by name; what stands before the first FROM is left out."""
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    found: dict[str, Stage] = {}
    name, base, instructions = "", "", list[Instruction]()
    for line in filter(str.strip, lines):
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            if name:
                found[name] = Stage(name, base, tuple(instructions))
            base, _, name = rest.partition(" AS ")
            instructions = []
        else:
            instructions.append(Instruction(word, rest.strip()))
    found[name] = Stage(name, base, tuple(instructions))
    return found


@dataclass
class Build:
    """The build stage, carried out below `root`.

    What stands before its first ARG is the same for every image. Docker keeps that as a layer for all of them; here it
    is carried out once and lies in the folder `layer` for the others.
    """

    root: Path
    arguments: Mapping[str, str]
    layer: Path
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder = self.root
        self._values: dict[str, str] = {}

    def run(self) -> Path:
        """Carry it out; the environment that the image gets."""
        instructions = stages(DOCKERFILE.read_text())["build"].instructions
        first = next(place for place, each in enumerate(instructions) if each.word == "ARG")
        kept = self.layer.exists()
        for place, instruction in enumerate(instructions):
            if place == first:
                source, target = (self.layer, self.root) if kept else (self.root, self.layer)
                shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
            if place >= first or not kept or instruction.word in {"ENV", "WORKDIR"}:
                getattr(self, f"_{instruction.word.lower()}")(instruction.rest)
        return Path(self.environment["VIRTUAL_ENV"])

    def _shell(self, rest: str) -> None:
        assert rest == '["/bin/sh", "-eu", "-c"]'

    def _workdir(self, rest: str) -> None:
        self.folder = self._moved(rest)
        self.folder.mkdir(parents=True)

    def _env(self, rest: str) -> None:
        for pair in shlex.split(rest):
            name, _, value = pair.partition("=")
            self.environment[name] = str(self._moved(value)) if value.startswith("/") else value

    def _arg(self, rest: str) -> None:
        name, _, default = rest.partition("=")
        self._values[name] = self.arguments.get(name, self._filled(default))

    def _copy(self, rest: str) -> None:
        source, target = self._filled(rest).split()
        copied = [path for path in context() if path == source or path.startswith(f"{source}/")]
        assert copied, f"{source} is not there, or .dockerignore keeps it back"
        for path in copied:
            inside = target + (PurePosixPath(path).name if target.endswith("/") else path.removeprefix(source))
            place = self.folder / inside
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / path, place, follow_symlinks=False)

    def _run(self, rest: str) -> None:
        assert not re.search(r"(?<![\w.}$-])/(?!dev/null)\w", rest), f"an absolute path in the build stage: {rest}"
        ours = {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}
        inherited = {name: value for name, value in os.environ.items() if name not in ours}
        run = subprocess.run(
            ["/bin/sh", "-eu", "-c", rest],
            check=False,
            cwd=self.folder,
            env={**inherited, **self._values, **self.environment},
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
        )
        assert run.returncode == 0, f"RUN {rest}\n{run.stdout[-2000:]}{run.stderr[-4000:]}"

    def _moved(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def _filled(self, text: str) -> str:
        return re.sub(r"\$\{?(\w+)\}?", lambda match: self._values[match[1]], text)


def context() -> list[str]:
    """The files of the checkout that .dockerignore lets through, as git knows them."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, check=True, cwd=CHECKOUT, capture_output=True, text=True).stdout
    return [path for path in listed.splitlines() if not ignored(path) and (CHECKOUT / path).exists()]


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps the path back: the last pattern that fits it or a folder above decides."""
    verdict = False
    places = [path, *map(str, PurePosixPath(path).parents)]
    for line in (CHECKOUT / ".dockerignore").read_text().splitlines():
        pattern = line.strip()
        if pattern and not pattern.startswith("#") and any(_fits(place, pattern.lstrip("!")) for place in places):
            verdict = not pattern.startswith("!")
    return verdict


def _fits(place: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch(PurePosixPath(place).name, pattern[3:])
    parts, wanted = place.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatch, parts, wanted))

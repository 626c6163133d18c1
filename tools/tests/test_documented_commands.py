"""Commands in the code blocks of pages: options, targets, modules and files exist. Nothing is run."""

import json
import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer
from stories_cli.app import app

from benchmarks.scaling import size, table
from tools.codegen import CHECKOUT

PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "services/*/*.md", "deploy/**/*.md", "clients/*/*.md", "web/*.md")
    for path in CHECKOUT.glob(pattern)
    if "node_modules" not in path.parts
)
BLOCK = re.compile(r"^ *```(?:sh|bash)?\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SUBSTITUTION = re.compile(r"\$\(([^()]*)\)")
FOLDERS = ("benchmarks/", "clients/", "cli/", "deploy/", "docs/", "services/", "shared/", "tests/", "tools/", "web/")


def commands(text: str) -> Iterator[list[str]]:
    """The words of every simple command in a shell text, also of those in `$(…)`."""
    for line in text.replace("\\\n", " ").splitlines():
        for inner in SUBSTITUTION.findall(line):
            yield from commands(inner)
        lexer = shlex.shlex(SUBSTITUTION.sub("value", line), posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        try:
            for word in [*lexer, ";"]:
                if set(word) <= set("();<>|&"):
                    if words:
                        yield words
                    words = []
                elif words or not re.fullmatch(r"\w+=.*", word):
                    words.append(word)
        except ValueError:  # a quoted text of several lines, such as a body of JSON
            continue


def commands_of(page: Path) -> Iterator[list[str]]:
    text = page.read_text(encoding="utf-8")
    for block in BLOCK.findall(text):
        yield from commands(block)


def parsed(arguments: list[str]) -> None:
    """Parse the arguments of `stories` without running it.

    Raises: an error of the parser: an unknown command or option, a missing or superfluous argument.
    """
    command: Any = typer.main.get_command(app)
    path = []
    while "commands" in vars(command):
        if not arguments or arguments[0] not in command.commands:
            assert not arguments or arguments[0].startswith("-"), f"no command {arguments[0]}"
            return
        path.append(arguments[0])
        command, arguments = command.commands[arguments[0]], arguments[1:]
    if "--help" in arguments:
        return
    context = command.context_class(command, info_name=" ".join(path))
    found, left, _ = command.make_parser(context).parse_args(list(arguments))
    assert not left, f"too many arguments: {left}"
    for each in command.params:
        if each.param_type_name == "argument" and each.required:
            assert found.get(each.name), f"{each.name} is missing"


TARGETS = set(re.findall(r"^([\w/.-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))


def check(words: list[str]) -> None:
    """Raises: AssertionError or an error of the parser: something in this command does not exist."""
    if "cli" in words and words[:3] == ["docker", "compose", "run"]:
        words = ["stories", *words[words.index("cli") + 1 :]]
    program, *rest = words
    if program.endswith("bin/stories") or program == "stories":
        parsed(rest)
    if program == "make":
        assert {word for word in rest if "=" not in word} <= TARGETS, "no such target"
    if program.endswith("python") and rest[:1] == ["-m"]:
        assert find_spec(rest[1]), f"no module {rest[1]}"
    if program == "npm" and rest[:1] == ["run"]:
        folder = rest[rest.index("-w") + 1] if "-w" in rest else "."
        assert rest[1] in json.loads((CHECKOUT / folder / "package.json").read_text())["scripts"], "no such script"
    for word in words:
        path = word.partition("::")[0]
        if program != "make" and path.startswith(FOLDERS) and not set("…*{$") & set(path):
            assert (CHECKOUT / path).exists(), f"no {path}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_the_commands_of_a_page_can_be_run(page: Path) -> None:
    for words in commands_of(page):
        try:
            check(words)
        except Exception as error:
            raise AssertionError(f"{shlex.join(words)}: {error}") from error


def test_commands_are_found_and_wrong_ones_refused() -> None:
    assert list(commands('A=1 stories up # run\nx="$(stories token ann)" | jq')) == [
        ["stories", "up"],
        ["stories", "token", "ann"],
        ["jq"],
    ]
    for wrong in (
        "stories fly",
        "stories dlq show",
        "stories up --wings",
        "make wings",
        "python -m wings",
        "sh deploy/no.sh",
    ):
        with pytest.raises(Exception, match=r"."):
            check(wrong.split())


def test_the_table_of_the_scaling_page_is_the_computed_one() -> None:
    page = (CHECKOUT / "docs" / "scaling.md").read_text(encoding="utf-8")
    assert table([size(users) for users in (1_000_000, 10_000_000, 500_000_000)]) in page

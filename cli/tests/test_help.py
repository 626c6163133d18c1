"""The commands and their help."""

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from stories_cli.app import app
from stories_cli.installed import INSTALLED_SERVICES
from typer.testing import CliRunner

ROOT = typer.main.get_command(app)
SENTENCE = re.compile(r"[A-Z-][^\[]*\.\Z", re.DOTALL)  # what is in brackets is markup, and is not shown
WITHOUT_A_RESULT = {"up", "down", "logs", "init", "chaos"}


def commands(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every command by its full name."""
    if hasattr(command, "commands"):
        for part, inner in command.commands.items():
            yield from commands(inner, f"{name} {part}".strip())
    else:
        yield name, command


COMMANDS = dict(commands(ROOT))


def test_the_commands_are_those_of_the_contract() -> None:
    assert COMMANDS.keys() == {
        *("up", "down", "status", "env", "logs", "doctor", "demo", "init", "token", "chaos", "bench", "post", "api"),
        *("events produce", "events tail", "dlq list", "dlq show", "dlq replay"),
        *("erasure verify", "erasure replay", "erasure status", "follows import", "rollout show", "rollout check"),
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_made_of_sentences(name: str) -> None:
    command = COMMANDS[name]
    assert SENTENCE.fullmatch(command.help or ""), command.help
    for parameter in command.params:
        text = getattr(parameter, "help", None)
        assert parameter.name == "help" or SENTENCE.fullmatch(text or ""), parameter.name
        assert "[" not in (parameter.metavar or ""), "usage has brackets already"


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - WITHOUT_A_RESULT - {"demo"}))
def test_a_command_with_a_result_prints_json_if_asked(name: str) -> None:
    assert any("--json" in parameter.opts for parameter in COMMANDS[name].params)


def test_the_version_is_printed() -> None:
    ran = CliRunner().invoke(app, ["--version"], env={"REVISION": "0123abc"})
    assert ran.exit_code == 0
    assert re.fullmatch(r"stories \d+\.\d+\.\d+ \(0123abc\)\n", ran.stdout)


def test_help_shows_groups_and_exit_codes() -> None:
    shown = CliRunner().invoke(app, ["--help"]).stdout
    assert all(panel in shown for panel in ("Try it", "Embedded stack", "Operate an installation", "Develop"))
    assert "3 not all processes are running" in " ".join(shown.split())
    assert "--install-completion" in shown


def test_shell_completion_knows_events_and_services() -> None:
    for line, expected in (
        ("events produce user-b", "user-blocked"),
        ("init fe", "feed"),
        ("dlq list story-v", "story-viewed"),
    ):
        ran = CliRunner().invoke(
            app,
            prog_name="stories",
            env={
                "_STORIES_COMPLETE": "complete_bash",
                "COMP_WORDS": f"stories {line}",
                "COMP_CWORD": str(line.count(" ") + 1),
            },
        )
        assert expected in ran.stdout, ran.output


def test_all_services_are_installed_in_a_checkout() -> None:
    assert len(INSTALLED_SERVICES) == 4


def test_commands_of_other_installations_need_no_embedded_stack():
    code = "import sys; sys.modules['stories_embedded'] = None; import stories_cli.app, stories_cli.tokens"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

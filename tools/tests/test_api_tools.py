"""The OpenAPI and AsyncAPI documents by the linters that others use, and against the last release's."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tools.codegen import CHECKOUT
from tools.release import outline

pytestmark = [pytest.mark.needs_api_tools, pytest.mark.timeout(600)]

TOOLS = CHECKOUT / ".venv-api"
CONFIGURATION = CHECKOUT / "tools" / "api"
OPENAPI = CHECKOUT / "docs" / "openapi.json"
ASYNCAPI = CHECKOUT / "docs" / "asyncapi.yaml"
RELEASED = CONFIGURATION / "released.json"


def run(*command: object) -> subprocess.CompletedProcess[str]:
    quiet = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "NO_COLOR": "1"}
    words = [str(each) for each in command]
    return subprocess.run(words, check=False, capture_output=True, text=True, cwd=CHECKOUT, env=os.environ | quiet)


def redocly(document: Path) -> subprocess.CompletedProcess[str]:
    program = TOOLS / "node_modules" / ".bin" / "redocly"
    return run(program, "lint", "--config", CONFIGURATION / "redocly.yaml", "--format", "github-actions", document)


def spectral(document: Path) -> subprocess.CompletedProcess[str]:
    program = TOOLS / "node_modules" / ".bin" / "spectral"
    return run(program, "lint", "--ruleset", CONFIGURATION / "spectral.yaml", "--fail-severity", "hint", document)


def breaking(document: dict[str, Any], folder: Path) -> str:
    """The breaking changes from the last release's document to a new one, a line each."""
    new = folder / "new.json"
    new.write_text(json.dumps(outline(document)))
    options = ["--format", "singleline", "--fail-on", "WARN", "--severity-levels", CONFIGURATION / "severities.txt"]
    found = run(TOOLS / "bin" / "oasdiff", "breaking", *options, RELEASED, new)
    assert found.returncode in {0, 1}, found.stderr
    return found.stdout if found.returncode else ""


def test_redocly_finds_nothing() -> None:
    found = redocly(OPENAPI)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "::warning" not in found.stdout + found.stderr, found.stdout


def test_spectral_finds_nothing() -> None:
    found = spectral(OPENAPI)
    assert found.returncode == 0, found.stdout + found.stderr


def test_asyncapis_parser_finds_nothing() -> None:
    found = run("node", CONFIGURATION / "asyncapi.cjs", ASYNCAPI)
    assert (found.returncode, found.stdout) == (0, ""), found.stderr


def test_linters_find_a_planted_mistake(tmp_path: Path) -> None:
    document = json.loads(OPENAPI.read_text())
    small: dict[str, Any] = document | {"paths": {"/v1/config": document["paths"]["/v1/config"]}}
    del small["paths"]["/v1/config"]["get"]["operationId"], small["components"]
    planted = tmp_path / "openapi.json"
    planted.write_text(json.dumps(small))
    assert redocly(planted).returncode == 1
    assert spectral(planted).returncode == 1


def test_nothing_breaks_what_the_last_release_promised(tmp_path: Path) -> None:
    assert breaking(json.loads(OPENAPI.read_text()), tmp_path) == "", "keep it, or see docs/compatibility.md"


def test_a_removed_field_and_a_new_required_one_are_named(tmp_path: Path) -> None:
    document = json.loads(OPENAPI.read_text())
    schemas = document["components"]["schemas"]
    del schemas["ReelItem"]["properties"]["ticket"]
    schemas["ReelItem"]["required"].remove("ticket")
    schemas["CommentCreate"]["properties"]["mood"] = {"type": "string"}
    schemas["CommentCreate"]["required"].append("mood")
    found = breaking(document, tmp_path).splitlines()
    assert any("GET /v1/stories/{story_id} " in line and "ticket" in line for line in found), found
    assert any("POST /v1/stories/{story_id}/comments" in line and "mood" in line for line in found), found


def test_new_fields_and_values_of_answers_break_nothing(tmp_path: Path) -> None:
    document = json.loads(OPENAPI.read_text())
    schemas = document["components"]["schemas"]
    schemas["Ring"]["properties"]["mood"] = {"type": "string"}
    schemas["Ring"]["required"].append("mood")
    schemas["Ring"]["properties"]["ring"]["enum"].append("sleeping")
    assert breaking(document, tmp_path) == ""

"""`stories token` with the key of `make secrets`, as in a container."""

import subprocess
import sys
from pathlib import Path

import jwt
import pytest
from stories_embedded.paths import CHECKOUT

SETTINGS = {"AUTH_ISSUER": "https://stories.localhost", "AUTH_AUDIENCE": "stories"}


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    subprocess.run(["sh", CHECKOUT / "deploy" / "secrets.sh", tmp_path], check=True, capture_output=True)
    return tmp_path / ".secrets"


def token(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stories_cli", "token", *arguments, "--data", "/nonexistent"]
    return subprocess.run(command, check=False, capture_output=True, text=True, env={"PATH": "/usr/bin", **environ})


def test_key_of_make_secrets_signs_valid_tokens(keys: Path) -> None:
    result = token(
        *("ann", "bob", "--admin"),
        AUTH_JWKS=str(keys / "jwks.json"),
        SIGNING_KEY_FILE=str(keys / "signing-key.pem"),
        **SETTINGS,
    )
    assert result.returncode == 0, result.stderr
    [known] = jwt.PyJWKSet.from_json((keys / "jwks.json").read_text()).keys
    read = [jwt.decode(each, known, ["EdDSA"], audience="stories") for each in result.stdout.split()]
    assert [(claims["sub"], claims["roles"], claims["iss"]) for claims in read] == [
        ("ann", ["admin"], "https://stories.localhost"),
        ("bob", ["admin"], "https://stories.localhost"),
    ]
    assert {jwt.get_unverified_header(each)["kid"] for each in result.stdout.split()} == {known.key_id}


def test_signing_key_of_another_stack_is_rejected(keys: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    subprocess.run(["sh", CHECKOUT / "deploy" / "secrets.sh", other], check=True, capture_output=True)
    foreign = str(other / ".secrets" / "signing-key.pem")
    result = token("ann", "--signing-key", foreign, AUTH_JWKS=str(keys / "jwks.json"), **SETTINGS)
    assert (result.returncode, result.stdout) == (1, "")
    assert "AUTH_JWKS does not contain" in result.stderr
    assert "Traceback" not in result.stderr

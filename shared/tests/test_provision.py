"""`init` is retried while a server is unavailable, and fails with one line."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from aiokafka.errors import NodeNotReadyError, TopicAuthorizationFailedError
from fastapi import FastAPI
from pymongo.errors import OperationFailure, ServerSelectionTimeoutError
from stories_shared.errors import KAFKA, S3, Unavailable
from stories_shared.runtime import cli
from stories_shared.runtime.provision import provision, retry_while_unavailable
from stories_shared.runtime.settings import Settings
from structlog.testing import capture_logs

NOBODY = "127.0.0.1:1"
ENVIRONMENT = {
    "KAFKA_BOOTSTRAP_SERVERS": NOBODY,
    "MONGO_URL": f"mongodb://{NOBODY}/?directConnection=true&serverSelectionTimeoutMS=50",
    "MONGO_DATABASE": "stories_feed",
    "AUTH_JWKS": "jwks.json",
    "AUTH_ISSUER": "https://issuer.example",
    "AUTH_AUDIENCE": "stories",
    "TICKET_KEYS": "b:1234567890123456",
}


class FailingInit:
    """Raises these errors, one at each attempt, then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.attempts = 0

    async def __call__(self, _settings: Settings | None = None, *, settle: bool = False) -> None:
        self.attempts += 1
        if self.errors:
            raise self.errors.pop(0)


def never_built(_settings: Settings) -> FastAPI:
    raise AssertionError("init serves nothing")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[cli.Init[Settings]], int]:
    """Runs `python -m stories_feed init` with one attempt."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return lambda init: cli.run("feed", Settings, never_built, init, arguments=["init"], retry_for=timedelta(0))


async def test_init_is_retried_until_its_servers_answer() -> None:
    init = FailingInit(
        ServerSelectionTimeoutError("no primary"), NodeNotReadyError("no broker"), Unavailable(S3), Unavailable(KAFKA)
    )
    with capture_logs() as lines:
        await retry_while_unavailable(init, first_pause_s=0)
    assert init.attempts == 5
    assert [(line["attempt"], line["dependency"]) for line in lines] == [
        (1, "mongodb"),
        (2, "kafka"),
        (3, "s3"),
        (4, "kafka"),
    ]
    assert lines[0]["reason"] == "no primary"


async def test_retries_of_init_end() -> None:
    init = FailingInit(*[Unavailable(KAFKA)] * 100_000)
    with capture_logs() as lines, pytest.raises(Unavailable):
        await retry_while_unavailable(init, retry_for=timedelta(milliseconds=20), first_pause_s=0)
    assert 1 <= init.attempts == len(lines)


@pytest.mark.parametrize(
    "error", [OperationFailure("not authorized", 13), TopicAuthorizationFailedError(), RuntimeError("a bug")]
)
async def test_any_other_error_of_init_fails_at_once(error: Exception) -> None:
    init = FailingInit(error, error)
    with pytest.raises(type(error)):
        await retry_while_unavailable(init, first_pause_s=0)
    assert init.attempts == 1


def test_a_server_that_stays_away_is_one_line(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    async def init(settings: Settings, *, settle: bool = False) -> None:
        async def ensure(mongo: object) -> None:
            await mongo.database.command("ping")  # type: ignore[attr-defined]

        await provision("feed", settings, ensure, settle=settle)

    assert run(init) == 1
    shown = capsys.readouterr()
    assert len(shown.err.splitlines()) == 1
    assert NOBODY in shown.err
    assert json.loads(shown.out)["event"] == "init_failed"


def test_brokers_that_stay_away_are_one_line(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    async def init(settings: Settings, *, settle: bool = False) -> None:
        await provision("feed", settings, nothing, settle=settle)

    async def nothing(_mongo: object) -> None: ...

    assert run(init) == 1
    shown = capsys.readouterr()
    assert shown.err.startswith("kafka is unavailable: ")
    assert len(shown.err.splitlines()) == 1


def test_a_bug_in_init_keeps_its_traceback(run: Callable[..., int]) -> None:
    async def init(_settings: Settings, *, settle: bool = False) -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        run(init)


def test_a_ready_init_ends_with_status_zero(run: Callable[..., int]) -> None:
    init = FailingInit()
    assert run(init) == 0
    assert init.attempts == 1

"""Records the commands that a store sends to MongoDB, and explains each of them.

A store's tests run with a `CommandRecorder` among the client's listeners; `slow_plans` explains every distinct query
and reports those that scan a collection or sort in memory.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from stories_shared.mongo.client import Mongo

EXPLAINABLE = frozenset({"find", "aggregate", "count", "distinct", "findAndModify", "update", "delete"})
BAD_STAGES = frozenset({"COLLSCAN", "SORT", "$sort"})
# Belongs to a session or a connection, and has no meaning under `explain`.
SESSION_FIELDS = frozenset(
    {
        "lsid",
        "txnNumber",
        "autocommit",
        "startTransaction",
        "writeConcern",
        "readConcern",
        "ordered",
        "bypassDocumentValidation",
    }
)


# Bounds of an index on dates reach from the year 1 to 292278994.
ANY_DATE: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)


class CommandRecorder(CommandListener):
    """Keeps every query, update and delete that a client sends, one of each shape for each collection, in order."""

    def __init__(self) -> None:
        self._commands: dict[str, dict[str, Any]] = {}

    @property
    def commands(self) -> list[dict[str, Any]]:
        """One command of each shape, ready for `explain`."""
        return list(self._commands.values())

    def started(self, event: CommandStartedEvent) -> None:
        """Keep the command unless one of its shape is known."""
        if event.command_name in EXPLAINABLE:
            for command in _single(event.command_name, event.command):
                collection = command[event.command_name]
                self._commands.setdefault(f"{collection} {_shape(command)!r}", copy.deepcopy(command))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Nothing to keep."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Nothing to keep."""


async def slow_plans(mongo: Mongo, commands: Iterable[Mapping[str, Any]]) -> list[str]:
    """Explain each command; one line for each that scans a collection or sorts in memory.

    Args:
        mongo: the database whose collections hold enough data for the planner to choose as in production.
        commands: of a `CommandRecorder`.
    """
    slow = []
    for command in commands:
        try:
            plan = await mongo.database.command(
                {"explain": command, "verbosity": "queryPlanner"}, codec_options=ANY_DATE
            )
        except Exception as error:
            error.add_note(f"while explaining {command}")
            raise
        bad = sorted(set(_stages(plan)) & BAD_STAGES)
        if bad:
            slow.append(f"{', '.join(bad)}: {command}")
    return slow


def _single(name: str, command: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The command without its session; a bulk write as one command for each of its statements."""
    plain = {key: value for key, value in command.items() if key not in SESSION_FIELDS and not key.startswith("$")}
    statements = {"update": "updates", "delete": "deletes"}.get(name)
    if statements is None:
        yield plain
    else:
        for statement in plain.get(statements, ()):
            yield {**plain, statements: [dict(statement)]}


def _shape(value: Any) -> Any:
    """The structure of a command: its keys and operators with the types of its values."""
    if isinstance(value, Mapping):
        return {key: _shape(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return (
            [_shape(item) for item in value[:1]]
            if not value or not isinstance(value[0], Mapping)
            else [_shape(item) for item in value]
        )
    return type(value).__name__


def _stages(plan: Any) -> Iterator[str]:
    """The names of all stages of the winning plan, those of an aggregation too; rejected plans are left out."""
    if isinstance(plan, Mapping):
        stage = plan.get("stage")
        if isinstance(stage, str):
            yield stage
        for key, value in plan.items():
            if key.startswith("$sort"):
                yield "$sort"
            if key not in ("rejectedPlans", "command", "serverInfo", "parsedQuery"):
                yield from _stages(value)
    elif isinstance(plan, list):
        for item in plan:
            yield from _stages(item)

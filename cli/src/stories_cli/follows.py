"""`stories follows import`: a social graph from a file, one edge per line."""

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from aiokafka.errors import KafkaError
from stories_shared.clock import rfc3339
from stories_shared.events import UserFollowed
from stories_shared.kafka.client import Kafka

from . import clients, target
from .console import FAILED, USAGE, AsJson, abort, info, print_json
from .events import producing, send
from .progress import counting
from .target import DEFAULT_DATA, Data, EnvFile

COLUMNS = ("user_id", "target_id", "at")
MAX_ERRORS_SHOWN = 20
MAX_LINE_BYTES = 1_000  # bytes; an edge has at most about 300
PROGRESS_STEP = 1_000  # of the progress bar


group = typer.Typer(no_args_is_help=True, help="Import a social graph.")


@dataclass
class Import:
    """The progress of an import, and its invalid lines. Memory use does not depend on the size of the file."""

    file: Path
    at: str
    published: int = 0
    invalid: int = 0
    done_to: int = 0
    """The last line up to which Kafka has acknowledged everything."""
    errors: list[str] = field(default_factory=list)
    _waiting: deque[int] = field(default_factory=deque)

    def edges(self, first: int) -> Iterator[UserFollowed]:
        """The edge of each line from the first on; the header and blank lines are skipped, invalid lines counted."""
        for number, line in numbered(self.file):
            if number < first:
                continue
            cells = [cell.strip().strip('"').strip() for cell in line.split(",")]
            if not any(cells) or (number == 1 and cells[0] == COLUMNS[0]):
                continue
            fields = {name: value for name, value in zip(COLUMNS, cells, strict=False) if value}
            try:
                edge = msgspec.convert({"at": self.at} | fields, UserFollowed)
            except (msgspec.ValidationError, ValueError) as error:
                self.invalid += 1
                if self.invalid <= MAX_ERRORS_SHOWN:
                    self.errors.append(f"line {number}: {error}")
                continue
            self._waiting.append(number)
            yield edge

    def acknowledged(self) -> None:
        """Record that Kafka has acknowledged the next edge."""
        self.published += 1
        self.done_to = self._waiting.popleft()


def numbered(file: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines; invalid UTF-8 is replaced and long lines are cut, so that neither becomes an edge."""
    with file.open("rb") as lines:
        number = 0
        while line := lines.readline(MAX_LINE_BYTES):
            number += 1
            if not line.endswith(b"\n"):
                while (rest := lines.readline(1 << 20)) and not rest.endswith(b"\n"):
                    continue
                line += b"?" if rest else b""
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8", errors="replace")


@group.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.csv", help="Lines of user_id,target_id and, optionally, at (RFC 3339).")
    ],
    from_line: Annotated[
        int, typer.Option("--from-line", min=1, metavar="N", help="Continue an interrupted import at this line.")
    ] = 1,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="Time of edges without one of their own (RFC 3339); by default now."),
    ] = None,
    data: Data = DEFAULT_DATA,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Publish user-followed for every line of a file. Invalid lines are reported and left out.

    A header line is skipped. An import may be repeated: a line that was published before changes nothing as long as its
    time is the same.
    """
    kafka, _ = clients.kafka(target.settings(data, env_file))
    if not file.is_file():
        abort(f"{file}: no such file", USAGE)
    try:
        moment = datetime.fromisoformat(at) if at else datetime.now(UTC)
    except ValueError:
        abort(f"--at: {at!r} is not an RFC 3339 time", USAGE)
    work = Import(file, rfc3339(moment if moment.tzinfo else moment.replace(tzinfo=UTC)))
    began = time.monotonic()
    try:
        asyncio.run(_import(kafka, work, from_line))
    except (KafkaError, KeyboardInterrupt) as error:
        _report(work, began, as_json=as_json)
        resume = f"--from-line {max(work.done_to + 1, from_line)} --at {work.at}"
        abort(f"{str(error) or 'interrupted'}; continue with: stories follows import {file} {resume}", FAILED)
    _report(work, began, as_json=as_json)
    if work.invalid:
        abort(f"{work.invalid} invalid lines were left out")


def _report(work: Import, began: float, *, as_json: bool) -> None:
    seconds = time.monotonic() - began
    if as_json:
        found = {
            "published": work.published,
            "left_out": work.invalid,
            "seconds": round(seconds, 3),
            "errors": work.errors,
        }
        print_json(found)
    else:
        print(f"{work.published} user-followed")
    info(f"{work.published:,} edges in {seconds:.1f} s, {work.published / seconds:,.0f} a second")
    for error in work.errors:
        info(error)


async def _import(kafka: Kafka, work: Import, first: int) -> None:
    total = max(0, await asyncio.to_thread(_lines, work.file) - first + 1)
    async with producing(kafka) as producer:
        with counting("following", total) as advance:
            shown = first - 1
            try:
                async for _ in send(kafka, producer, work.edges(first)):
                    work.acknowledged()
                    if work.published % PROGRESS_STEP == 0:
                        advance(work.done_to - shown)
                        shown = work.done_to
            except asyncio.CancelledError:
                # Unacknowledged edges are published again on resume, so a dead broker need not be waited for.
                with suppress(TimeoutError, KafkaError):
                    async with asyncio.timeout(1):
                        await producer.stop()
                raise
            advance(total - shown + first - 1)


def _lines(file: Path) -> int:
    with file.open("rb") as lines:
        newlines, last = 0, b"\n"
        while block := lines.read(1 << 20):
            newlines, last = newlines + block.count(b"\n"), block[-1:]
        return newlines + (last != b"\n")

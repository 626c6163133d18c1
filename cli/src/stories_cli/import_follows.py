"""`stories import-follows`: a social graph from a file, a line an edge."""

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
from stories_shared.clock import text
from stories_shared.events import UserFollowed
from stories_shared.kafka import Kafka

from . import clients, target
from .console import FAILED, USAGE, abort, info
from .events import producing, send
from .progress import counting
from .target import DEFAULT_DATA, Data, EnvFile

COLUMNS = ("user_id", "target_id", "at")
MOST_COMPLAINTS = 20
LONGEST_LINE = 1_000  # bytes; an edge has at most about 300
AT_ONCE = 1_000  # that the bar moves by


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("import-follows")(import_follows)


@dataclass
class Import:
    """One run: how far the file is said, and what was wrong in it. Its memory does not grow with the file."""

    file: Path
    at: str
    said: int = 0
    wrong: int = 0
    done_to: int = 0
    """The last line up to which Kafka has acknowledged everything."""
    complaints: list[str] = field(default_factory=list)
    _waiting: deque[int] = field(default_factory=deque)

    def edges(self, first: int) -> Iterator[UserFollowed]:
        """The edge of each line from the first on; a heading and blank lines are skipped, what is none is counted."""
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
                self.wrong += 1
                if self.wrong <= MOST_COMPLAINTS:
                    self.complaints.append(f"line {number}: {error}")
                continue
            self._waiting.append(number)
            yield edge

    def acknowledged(self) -> None:
        """The next edge is in Kafka for good."""
        self.said += 1
        self.done_to = self._waiting.popleft()


def numbered(file: Path) -> Iterator[tuple[int, str]]:
    """Lines with their numbers; what is no UTF-8 or too long is still a line, and no edge."""
    with file.open("rb") as lines:
        number = 0
        while line := lines.readline(LONGEST_LINE):
            number += 1
            if not line.endswith(b"\n"):
                while (rest := lines.readline(1 << 20)) and not rest.endswith(b"\n"):
                    continue
                line += b"?" if rest else b""
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8", errors="replace")


def import_follows(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="user_id,target_id and, optionally, at (RFC 3339).")],
    from_line: Annotated[
        int, typer.Option("--from-line", min=1, metavar="N", help="Go on where an interrupted import stopped.")
    ] = 1,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="Of lines without a time of their own; else now.")
    ] = None,
    data: Data = DEFAULT_DATA,
    env_file: EnvFile = None,
) -> None:
    """Say user-followed for every line; a heading is skipped. Lines that are none are named, the others go on.

    Saying a line twice changes nothing as long as its time is the same, so an import may be repeated.
    """
    kafka, _ = clients.kafka(target.settings(data, env_file))
    if not file.is_file():
        abort(f"{file}: no such file", USAGE)
    try:
        moment = datetime.fromisoformat(at) if at else datetime.now(UTC)
    except ValueError:
        abort(f"--at: {at!r} is no RFC 3339 time", USAGE)
    work = Import(file, text(moment if moment.tzinfo else moment.replace(tzinfo=UTC)))
    began = time.monotonic()
    try:
        asyncio.run(_import(kafka, work, from_line))
    except (KafkaError, KeyboardInterrupt) as error:
        _report(work, began)
        go_on = f"--from-line {max(work.done_to + 1, from_line)} --at {work.at}"
        abort(f"{str(error) or 'interrupted'}; go on with: stories import-follows {file} {go_on}", FAILED)
    _report(work, began)
    if work.wrong:
        abort(f"{work.wrong} lines were left out")


def _report(work: Import, began: float) -> None:
    seconds = time.monotonic() - began
    print(f"{work.said} user-followed")
    info(f"{work.said:,} edges in {seconds:.1f} s, {work.said / seconds:,.0f} a second")
    for complaint in work.complaints:
        info(complaint)


async def _import(kafka: Kafka, work: Import, first: int) -> None:
    total = max(0, await asyncio.to_thread(_lines, work.file) - first + 1)
    async with producing(kafka) as producer:
        with counting("following", total) as advance:
            shown = first - 1
            try:
                async for _ in send(kafka, producer, work.edges(first)):
                    work.acknowledged()
                    if work.said % AT_ONCE == 0:
                        advance(work.done_to - shown)
                        shown = work.done_to
            except asyncio.CancelledError:
                # What is not acknowledged yet is said again by whoever goes on; a broker that is away holds up nobody.
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

"""Writes of rows as data: the documents that they read, and how they change them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from stories_shared.mongo.client import Document

from stories_engagement.store.kinds import RowKind
from stories_engagement.store.rows import Key, Rows

T_co = TypeVar("T_co", covariant=True)

REMOVE_BATCH = 500
"""Children of a removed row deleted in one transaction."""


class Write(Protocol[T_co]):
    """A write to the rows of one story."""

    @property
    def alone(self) -> bool:
        """Whether it runs a query: then it needs its own transaction, since a query finds no unwritten rows."""
        return False

    def needs(self, rows: Rows) -> Iterable[Key]:
        """The documents that it reads, derived from those loaded so far; called until all are loaded."""

    async def search(self, _rows: Rows) -> None:
        """Load rows by a query. Only a write that is `alone` needs one."""
        return

    def apply(self, rows: Rows) -> T_co:
        """Change the rows. Raises `NotFound` before it changes any."""


@dataclass(slots=True)
class PutRow(Write[None]):
    """Insert or replace a row. An existing row stays if only the time differs, or with `once` in any case."""

    kind: RowKind
    row: Document
    once: bool = False

    def needs(self, _rows: Rows) -> Iterable[Key]:
        """The row itself."""
        return [(self.kind.collection, self.row["_id"])]

    def apply(self, rows: Rows) -> None:
        """Write it."""
        old = rows.get(self.kind.collection, self.row["_id"])
        if old is None or (not self.once and {**old, "at": self.row["at"]} != self.row):
            rows.put(self.kind.collection, self.row)


@dataclass(slots=True)
class RemoveRow(Write[bool | None]):
    """Delete a row, if it is not later than `until`, after its children, in bounded steps.

    The result is whether the row existed; None while children are left.
    """

    kind: RowKind
    row_id: str
    story_id: str
    until: datetime | None = None
    children: list[str] = field(default_factory=list)

    @property
    def alone(self) -> bool:
        """Whether the row may have children."""
        return self.kind.parent_field is not None

    def needs(self, rows: Rows) -> Iterable[Key]:
        """The row and its parent."""
        yield self.kind.collection, self.row_id
        if self.kind.parent_field and rows.loaded(self.kind.collection, self.row_id):
            row = rows.get(self.kind.collection, self.row_id)
            if row is not None and row[self.kind.parent_field] is not None:
                yield self.kind.collection, row[self.kind.parent_field]

    async def search(self, rows: Rows) -> None:
        """Its children."""
        if self.kind.parent_field:
            query = {"story_id": self.story_id, self.kind.parent_field: self.row_id}
            self.children = await rows.find(self.kind.collection, query, REMOVE_BATCH)

    def apply(self, rows: Rows) -> bool | None:
        """Delete them."""
        kind, row = self.kind, rows.get(self.kind.collection, self.row_id)
        if row is None or (self.until is not None and row["at"] > self.until):
            return False
        children = [rows.document(kind.collection, row_id) for row_id in self.children]
        for child in children:
            rows.delete(kind.collection, child["_id"])
        if len(children) == REMOVE_BATCH:
            counted = sum(bool(kind.delta_of(child)) for child in children)
            rows.put(kind.collection, {**row, kind.child_count_field: row[kind.child_count_field] - counted})
            return None
        rows.delete(kind.collection, self.row_id)
        top_id = row[kind.parent_field] if kind.parent_field else None
        top = rows.get(kind.collection, top_id) if top_id is not None else None
        if top is not None and kind.delta_of(row):
            rows.put(kind.collection, {**top, kind.child_count_field: top[kind.child_count_field] - 1})
        return True

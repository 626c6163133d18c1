"""Pages of rows that are ordered by time."""

from stories_shared.mongo.client import Document

from stories_engagement.usecases.paging import Position


def rows_after(position: Position | None, time_field: str, id_field: str, *, newest_first: bool = True) -> Document:
    """Filter for the rows after a position; all rows without one."""
    if position is None:
        return {}
    at, row_id = position
    beyond = "$lt" if newest_first else "$gt"
    return {"$or": [{time_field: {beyond: at}}, {time_field: at, id_field: {beyond: row_id}}]}

"""Transactions that are run again after a duplicate key."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from pymongo.errors import BulkWriteError, DuplicateKeyError
from stories_shared.mongo.client import Mongo, Session

T = TypeVar("T")

DUPLICATE_KEY = 11000
MAX_ATTEMPTS = 20


async def transaction_retrying_duplicates(mongo: Mongo, operation: Callable[[Session], Awaitable[T]]) -> T:
    """Run an operation in a transaction; retry it after a duplicate key.

    Two transactions that insert the same document end in a write conflict, which the driver retries, or in a duplicate
    key, which it does not. The retry reads the other's document.
    """
    for attempts_left in reversed(range(MAX_ATTEMPTS)):
        try:
            return await mongo.transaction(operation)
        except (DuplicateKeyError, BulkWriteError) as error:
            if not is_duplicate(error) or not attempts_left:
                raise
    raise AssertionError


def is_duplicate(error: DuplicateKeyError | BulkWriteError) -> bool:
    """Whether another transaction has inserted the document."""
    codes = {e.get("code") for e in (error.details or {}).get("writeErrors", ())} or {error.code}
    return DUPLICATE_KEY in codes

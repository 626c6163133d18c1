"""Classifies errors: an invalid message and a bug are dead-lettered, a dependency that is down is retried.

MongoDB, S3 and Kafka each raise their own errors; this module knows which of them are transient.
"""

from aiokafka.errors import KafkaError, KafkaTimeoutError, ProducerClosed
from pymongo.errors import (
    ConnectionFailure,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
    WTimeoutError,
)

MONGODB = "mongodb"
S3 = "s3"
KAFKA = "kafka"
JWKS = "jwks"

# Codes of transient server errors: state changes, shutdowns, time-outs, conflicts.
# Source: the server's error_codes.yml, categories RetriableError, ShutdownError,
# NotPrimaryError and ExceededTimeLimitError.
TRANSIENT_MONGO_CODES = frozenset(
    {6, 7, 24, 43, 50, 89, 91, 112, 133, 134, 149, 189, 202, 234, 237, 251, 262, 290, 317, 358, 9001}
    | {10058, 10107, 11600, 11602, 13388, 13435, 13436}
)


class Unavailable(Exception):
    """A dependency does not answer in time; the operation may or may not have happened."""

    def __init__(self, dependency: str, detail: str = "") -> None:
        super().__init__(f"{dependency} is unavailable" + (f": {detail}" if detail else ""))
        self.dependency = dependency


class InvalidMessage(Exception):
    """A message that can never be applied; it is dead-lettered."""


def failed_dependency(error: BaseException) -> str | None:
    """The dependency that is down according to the error, or None for any other error."""
    if isinstance(error, Unavailable):
        return error.dependency
    if isinstance(error, PyMongoError):
        return MONGODB if is_transient_mongo_error(error) else None
    if isinstance(error, KafkaError):
        return KAFKA if error.retriable or isinstance(error, KafkaTimeoutError | ProducerClosed) else None
    return None


def is_transient_mongo_error(error: PyMongoError) -> bool:
    """Whether MongoDB's error is transient."""
    if isinstance(error, ConnectionFailure | ExecutionTimeout | WTimeoutError | WriteConcernError):
        return True
    if error.has_error_label("TransientTransactionError") or error.has_error_label("RetryableWriteError"):
        return True
    return isinstance(error, OperationFailure) and error.code in TRANSIENT_MONGO_CODES

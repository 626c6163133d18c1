"""The stages of the updates that stories' documents go through, as aggregation expressions.

Every change is one update whose expressions read the document that they change, so that the order in which facts
arrive does not matter: an answer before its ending, a timer after its deletion.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from stories_shared.mongo.outbox import pending_mark

from stories_expiry.domain.endings import FIRST_RESEND_DELAY, MARK_RETENTION, Deletion, ErasureConfirmation
from stories_expiry.domain.timers import Timer

Stage = dict[str, Any]
REMOVE = "$$REMOVE"


def cond(condition: object, then: object, otherwise: object) -> dict[str, Any]:
    """``$cond``, shorter."""
    return {"$cond": [condition, then, otherwise]}


def if_null(field: str, value: object) -> dict[str, Any]:
    """What the field holds, else the value."""
    return {"$ifNull": [f"${field}", value]}


def answered_by() -> dict[str, Any]:
    """Who has answered."""
    return {"$map": {"input": {"$objectToArray": if_null("erased", {})}, "in": "$$this.k"}}


def recompute_waiting(begun: str, parties: Sequence[str], now: datetime, receipts_kept: timedelta) -> list[Stage]:
    """Work out again whom a document waits for, when to say it again, and when to forget it.

    What has begun and waits for nobody is complete. Whom it waits for is decided when it begins and stays with it: a
    store or service that is added later reopens nothing. A document that has not begun and is no timer (an answer
    came first) is forgotten with the marks.

    Args:
        begun: the field that is there once there is something to answer.
        parties: who must answer what begins now.
        now: aware.
        receipts_kept: how long a complete document stays, unless its author is erased.
    """
    complete = {"$eq": ["$waiting", []]}
    open_still = {"$gt": [{"$size": if_null("waiting", [])}, 0]}
    kept_ms = cond({"$eq": ["$author_erased", True]}, milliseconds(MARK_RETENTION), milliseconds(receipts_kept))
    # A record that was complete before expected parties were stored was complete with those that had answered.
    expected = if_null("expected", cond("$completed_at", answered_by(), list(parties)))
    return [
        {"$set": {"expected": cond(begun, expected, REMOVE)}},
        {"$set": {"waiting": cond(begun, {"$setDifference": ["$expected", answered_by()]}, REMOVE)}},
        {
            "$set": {
                "waiting": cond(complete, REMOVE, "$waiting"),
                "completed_at": cond(complete, if_null("completed_at", now), REMOVE),
                "resend_at": cond(open_still, if_null("resend_at", now + FIRST_RESEND_DELAY), REMOVE),
                "backing_off": cond(open_still, "$backing_off", REMOVE),
                "delete_at": cond(
                    complete,
                    cond("$completed_at", "$delete_at", {"$add": [now, kept_ms]}),
                    cond({"$or": [open_still, "$due"]}, REMOVE, if_null("delete_at", now + MARK_RETENTION)),
                ),
            }
        },
    ]


def milliseconds(length: timedelta) -> int:
    """Whole milliseconds."""
    return length // timedelta(milliseconds=1)


def arm(timer: Timer) -> list[Stage]:
    """The timer of a revision we have not seen, unless the story has ended; the author is noted in any case."""
    newer = {"$and": [{"$not": ["$ended"]}, {"$gt": [timer.revision, if_null("revision", 0)]}]}
    return [
        {
            "$set": {
                "author_id": if_null("author_id", timer.author_id),
                "posted_at": if_null("posted_at", timer.posted_at),
                "expires_at": cond(newer, timer.expires_at, "$expires_at"),
                "due": cond(newer, timer.expires_at, "$due"),
                "revision": {"$max": ["$revision", timer.revision]},
                "delete_at": cond("$ended", "$delete_at", REMOVE),
            }
        }
    ]


def expire(call: str, now: datetime) -> list[Stage]:
    """The story's time is over: the ending, and the mark to say it under an id that is the story's own.

    ``call`` tells the winner: only the command that ended the story left its own.
    """
    return [
        {
            "$set": {
                "ended": "expired",
                "ended_at": "$expires_at",
                "said": {"id": "$_id", "at": now, "call": call},
                "send_count": 1,
                "pending": pending_mark(1, now),
                "due": REMOVE,
            }
        }
    ]


def delete(deletion: Deletion) -> list[Stage]:
    """The story was taken back. The first ending stands, unless the deletion came before the expiry in time.

    It has been said by whoever deleted, so there is nothing to say until a store fails to answer.
    """
    takes = {
        "$or": [
            {"$not": ["$ended"]},
            {"$and": [{"$eq": ["$ended", "expired"]}, {"$gt": ["$ended_at", deletion.deleted_at]}]},
        ]
    }
    new = {
        "ended": "deleted",
        "ended_at": deletion.deleted_at,
        "by": deletion.by,
        "said": {"id": {"$literal": deletion.event_id}, "at": deletion.deleted_at},
        "send_count": 1,
        "pending": REMOVE,
        "resend_at": REMOVE,
        "backing_off": REMOVE,
        "backoff_from": REMOVE,
    }
    author = if_null("author_id", deletion.author_id) if deletion.author_id else "$author_id"
    erasure = cond({"$eq": [deletion.by, "erasure"]}, True, "$author_erased")
    return [
        {
            "$set": {field: cond(takes, value, f"${field}") for field, value in new.items()}
            | {"author_id": author, "author_erased": erasure, "due": REMOVE}
        }
    ]


def answer(confirmation: ErasureConfirmation) -> list[Stage]:
    """A store has erased its share; its first answer stands."""
    field = f"erased.{confirmation.store}"
    return [{"$set": {field: if_null(field, confirmation.erased_at)}}]

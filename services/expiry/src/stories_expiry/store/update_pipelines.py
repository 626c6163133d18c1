"""Update pipelines for documents of stories and accounts.

Every change is one update whose expressions read the document that they change, so the order of events does not matter:
a confirmation before its ending, a timer after its deletion.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from stories_shared.mongo.outbox import pending_mark

from stories_expiry.domain.endings import (
    FIRST_RESEND_DELAY,
    MARK_RETENTION,
    MODERATION,
    Deletion,
    ErasureConfirmation,
)
from stories_expiry.domain.timers import Timer

Stage = dict[str, Any]
REMOVE = "$$REMOVE"


def cond(condition: object, then: object, otherwise: object) -> dict[str, Any]:
    """A `$cond` expression."""
    return {"$cond": [condition, then, otherwise]}


def if_null(field: str, value: object) -> dict[str, Any]:
    """An `$ifNull` expression: the field, else the value."""
    return {"$ifNull": [f"${field}", value]}


def confirmed_by() -> dict[str, Any]:
    """The parties that have confirmed."""
    return {"$map": {"input": {"$objectToArray": if_null("erased", {})}, "in": "$$this.k"}}


def recompute_waiting(begun: str, parties: Sequence[str], now: datetime, receipts_kept: timedelta) -> list[Stage]:
    """Recompute the parties that a document waits for, its next resend, and its deletion.

    A document that has begun and waits for no party is complete. The expected parties are stored when it begins: a
    store or service that is added later reopens nothing. A document that has not begun and is not a timer (a
    confirmation came first) expires like a mark. While an author's archive has the story, its receipt stays.

    Args:
        begun: the field that exists once there is something to confirm.
        parties: those that must confirm what begins now.
        now: aware.
        receipts_kept: retention of a complete document, unless its author is erased.
    """
    complete = {"$eq": ["$waiting", []]}
    still_open = {"$gt": [{"$size": if_null("waiting", [])}, 0]}
    in_archive = {"$and": [{"$eq": ["$archived", True]}, {"$not": ["$erased.archive"]}]}
    kept_ms = cond({"$eq": ["$author_erased", True]}, milliseconds(MARK_RETENTION), milliseconds(receipts_kept))
    kept_until = {"$add": [now, kept_ms]}
    # A document completed before expected parties were stored was complete with those that had confirmed.
    expected = if_null("expected", cond("$completed_at", confirmed_by(), list(parties)))
    moderation = cond({"$or": [{"$not": ["$held_until"]}, {"$in": [MODERATION, "$expected"]}]}, [], [MODERATION])
    resend_at = if_null("resend_at", now + FIRST_RESEND_DELAY)
    # Nobody can let go of what is held before its time, so the ending is not republished until then.
    after_hold = {"$max": [resend_at, {"$add": ["$held_until", milliseconds(FIRST_RESEND_DELAY)]}]}
    return [
        {"$set": {"expected": cond(begun, expected, REMOVE)}},
        {"$set": {"expected": cond(begun, {"$concatArrays": ["$expected", moderation]}, REMOVE)}},
        {"$set": {"waiting": cond(begun, {"$setDifference": ["$expected", confirmed_by()]}, REMOVE)}},
        {
            "$set": {
                "waiting": cond(complete, REMOVE, "$waiting"),
                "completed_at": cond(complete, if_null("completed_at", now), REMOVE),
                "resend_at": cond(still_open, cond({"$eq": ["$waiting", [MODERATION]]}, after_hold, resend_at), REMOVE),
                "backing_off": cond(still_open, "$backing_off", REMOVE),
                "delete_at": cond(
                    complete,
                    cond(in_archive, REMOVE, cond({"$and": ["$completed_at", "$delete_at"]}, "$delete_at", kept_until)),
                    cond({"$or": [still_open, "$due"]}, REMOVE, if_null("delete_at", now + MARK_RETENTION)),
                ),
            }
        },
    ]


def milliseconds(length: timedelta) -> int:
    """Whole milliseconds."""
    return length // timedelta(milliseconds=1)


def arm(timer: Timer) -> list[Stage]:
    """Set the timer if the revision is new and the story has not ended; store the author in any case."""
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
    """End an expired story and mark the document as pending; the event id is the story's id.

    `call` identifies the command that ended the story.
    """
    return [
        {
            "$set": {
                "ended": "expired",
                "ended_at": "$expires_at",
                "event": {"id": "$_id", "at": now, "call": call},
                "send_count": 1,
                "pending": pending_mark(1, now),
                "due": REMOVE,
            }
        }
    ]


UNCONFIRMED: dict[str, Any] = {
    field: {"$exists": False} for field in ("erased", "expected", "archived", "held_until", "resend_at")
}
"""Filter for documents of stories of which nothing but the timer is known, as of nearly all that expire."""


def expire_unconfirmed(call: str, now: datetime, parties: Sequence[str]) -> list[Stage]:
    """What `expire` and `recompute_waiting` make of an `UNCONFIRMED` document, without their conditions."""
    (expired,) = expire(call, now)
    waiting = {"expected": list(parties), "waiting": list(parties)}
    return [{"$set": expired["$set"] | waiting | {"resend_at": now + FIRST_RESEND_DELAY, "delete_at": REMOVE}}]


def delete(deletion: Deletion) -> list[Stage]:
    """Delete a story. The first ending is final, unless the deletion precedes the expiry in time.

    Its producer has published the event, so there is nothing to publish until a store fails to confirm.
    """
    applies = {
        "$or": [
            {"$not": ["$ended"]},
            {"$and": [{"$eq": ["$ended", "expired"]}, {"$gt": ["$ended_at", deletion.deleted_at]}]},
        ]
    }
    new = {
        "ended": "deleted",
        "ended_at": deletion.deleted_at,
        "by": deletion.by,
        "event": {"id": {"$literal": deletion.event_id}, "at": deletion.deleted_at},
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
            "$set": {field: cond(applies, value, f"${field}") for field, value in new.items()}
            | {"author_id": author, "author_erased": erasure, "due": REMOVE}
        }
    ]


def confirm(confirmation: ErasureConfirmation) -> list[Stage]:
    """Record a store's confirmation; its first one is final."""
    field = f"erased.{confirmation.store}"
    changed: Stage = {field: if_null(field, confirmation.erased_at)}
    if confirmation.archived:
        changed["archived"] = True
    if confirmation.held_until is not None:
        changed["held_until"] = {"$max": ["$held_until", confirmation.held_until]}
    return [{"$set": changed}]

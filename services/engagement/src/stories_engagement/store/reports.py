"""Reports, what they are about, decisions, and the audit log.

`reported` holds one document for each reported story or comment, with the copy, the decision and the outbox mark;
`reports` one row for each reporter. Every transaction writes the document in `reported`, so that reports and decisions
of one target conflict.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from pymongo import ASCENDING, DESCENDING
from stories_shared.clock import Clock
from stories_shared.events import StoryDeleted, StoryHeld, UserSuspended
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent
from stories_shared.mongo.client import Document, Mongo, Session
from stories_shared.mongo.outbox import pending_mark

from stories_engagement.domain.errors import AlreadyDecided, NotFound
from stories_engagement.domain.reports import (
    DECIDED_RETENTION,
    AuditEntry,
    Decision,
    NewReport,
    Report,
    State,
    Target,
)
from stories_engagement.store.comments import MongoComments
from stories_engagement.store.kinds import COMMENTS
from stories_engagement.store.schema import AUDIT, REPORTED, REPORTS, STORIES, VIEWS
from stories_engagement.store.transactions import transaction_retrying_duplicates

MAX_REPORTS = 1_000
"""Reports kept of one target: a decision updates all of them in one transaction. Further ones are only counted."""

ERASE_BATCH = 500
"""Targets of an erased user deleted at a time."""

STORY_COPY = ("kind", "audience", "caption", "alt_text", "layers", "sound", "captions_track", "posted_at", "expires_at")
decode = msgspec.json.Decoder(type=dict[str, Any]).decode


class MongoReports:
    """Stores reports and decisions."""

    def __init__(self, mongo: Mongo, comments: MongoComments, now: Clock, hold: timedelta | None = None) -> None:
        self._mongo = mongo
        self._hold = hold
        self._comments = comments
        self._now = now
        self._reported, self._reports, self._audit = mongo[REPORTED], mongo[REPORTS], mongo[AUDIT]

    async def add(self, report: NewReport) -> bool:
        """Store a report, with a copy if it is the first of its target; False if this reporter has made one already.

        A report of what was decided already is stored as decided: it is not asked for again.
        """
        key, report_id = report.target.key, new_id()

        async def operation(session: Session) -> bool:
            same = {"target": key, "reporter_id": report.reporter_id}
            if await self._reports.find_one(same, {"_id": 1}, session=session) is not None:
                return False
            target = await self._reported.find_one_and_update({"_id": key}, {"$inc": {"reports": 1}}, session=session)
            if target is None:
                target = await self._insert_target(report, session)
            if target["reports"] < MAX_REPORTS:
                row: Document = {"_id": report_id, **same, "reason": report.reason, "remark": report.text}
                row |= {"at": report.at, "state": target["state"]}
                if "delete_at" in target:
                    row["delete_at"] = target["delete_at"]
                await self._reports.insert_one(row, session=session)
            return True

        new = await transaction_retrying_duplicates(self._mongo, operation)
        if report.target.kind == "story":
            await self._copy_what_came_meanwhile(report.target)
        return new

    async def page(self, state: State | None, after: str | None, limit: int) -> list[Report]:
        """Reports, the oldest first."""
        query: Document = {}
        if state is not None:
            query["state"] = state
        if after is not None:
            query["_id"] = {"$gt": after}
        rows = await self._reports.find(query, sort=[("_id", ASCENDING)], limit=limit).to_list(None)
        keys = sorted({row["target"] for row in rows})
        found = await self._reported.find({"_id": {"$in": keys}}).to_list(None) if keys else []
        targets = {target["_id"]: target for target in found}
        return [report_of(row, targets[row["target"]]) for row in rows if row["target"] in targets]

    async def get(self, report_id: str) -> Report | None:
        """A report by its id."""
        row = await self._reports.find_one({"_id": report_id})
        target = await self._reported.find_one({"_id": row["target"]}) if row else None
        return report_of(row, target) if row and target else None

    async def decide(self, report_id: str, decision: Decision) -> str:
        """Store a decision about the target of a report and all reports of it; the target's key.

        Raises `NotFound`, and `AlreadyDecided` after another decision.
        """
        audit_id, delete_at = new_id(), decision.at + DECIDED_RETENTION
        events = {f"events.{name}": new_id() for name in ("deletion", "suspension", "release")}

        async def operation(session: Session) -> str:
            row = await self._reports.find_one({"_id": report_id}, {"target": 1}, session=session)
            target = await self._reported.find_one({"_id": row["target"]}, session=session) if row else None
            if target is None:
                raise NotFound
            key: str = target["_id"]
            if target["state"] == "decided":
                if target["action"] != decision.action:
                    raise AlreadyDecided
                return key
            decided: Document = {"state": "decided", "delete_at": delete_at}
            fields: Document = {"action": decision.action, "days": decision.days, "admin_id": decision.admin_id}
            change: Document = {**decided, **fields, "decided_at": decision.at, **events}
            if decision.action != "keep" or "hold_until" in target:
                change["pending"] = pending_mark(2, decision.at)
            await self._reported.update_one({"_id": key}, {"$set": change}, session=session)
            await self._reports.update_many({"target": key, "state": "open"}, {"$set": decided}, session=session)
            about: Document = {
                name: target[name] for name in ("kind", "story_id", "comment_id", "user_id") if name in target
            }
            entry: Document = {"_id": audit_id, "report_id": report_id, **about, **fields, "at": decision.at}
            await self._audit.insert_one(entry, session=session)
            return key

        return await self._mongo.transaction(operation)

    async def audit(self, before: str | None, limit: int) -> list[AuditEntry]:
        """The audit log, the newest first."""
        query: Document = {} if before is None else {"_id": {"$lt": before}}
        found = await self._audit.find(query, sort=[("_id", DESCENDING)], limit=limit).to_list(None)
        return [
            AuditEntry(
                id=entry["_id"],
                report_id=entry["report_id"],
                kind=entry["kind"],
                story_id=entry["story_id"],
                comment_id=entry["comment_id"],
                author_id=entry.get("user_id"),
                decision=decision_of({**entry, "decided_at": entry["at"]}),
            )
            for entry in found
        ]

    async def open_reports(self) -> int:
        """The number of open reports."""
        return await self._reports.count_documents({"state": "open"})

    async def carry_out(self, target: Document) -> Sequence[OutgoingEvent]:
        """The events of a report or a decision, once a reported comment is removed. Repeating it is harmless."""
        if target["state"] == "open":
            return [held(target, target["events"]["hold"], target["first_at"], target["hold_until"])]
        events: list[OutgoingEvent] = []
        at = target["decided_at"]
        if "hold_until" in target:
            events.append(held(target, target["events"]["release"], at, at))
        if target["action"] == "keep":
            return events
        if target["kind"] == "comment":
            comment = await self._comments.get(target["comment_id"])
            if comment is not None:
                await self._comments.remove(comment)
        elif not await self._mongo[VIEWS].find_one({"_id": target["story_id"], "how": "deleted"}, {"_id": 1}):
            # One that has expired is deleted too: its author's archive may keep it, and its insights are kept here.
            deletion = StoryDeleted(
                story_id=target["story_id"], author_id=target.get("user_id"), deleted_at=at, by="admin"
            )
            events.append(OutgoingEvent(deletion, target["events"]["deletion"], at))
        decision = decision_of(target)
        if decision.until is not None and "user_id" in target:
            suspension = UserSuspended(user_id=target["user_id"], until=decision.until)
            events.append(OutgoingEvent(suspension, target["events"]["suspension"], at))
        return events

    async def erase_user(self, user_id: str, until: datetime) -> None:
        """Forget a user as reporter and as author, up to a time.

        Their reports stay without their id and words. Reports of what they made are deleted; it is erased as well.
        """
        mine = {"reporter_id": user_id, "at": {"$lte": until}}
        await self._reports.update_many(mine, {"$unset": {"reporter_id": ""}, "$set": {"remark": None}})
        about = {"user_id": user_id, "first_at": {"$lte": until}}
        while True:
            found = await self._reported.find(about, {"_id": 1}, limit=ERASE_BATCH).to_list(None)
            if not found:
                break
            for target in found:
                await self._delete_target(target["_id"])
        await self._audit.update_many({"user_id": user_id, "at": {"$lte": until}}, {"$unset": {"user_id": ""}})

    async def _insert_target(self, report: NewReport, session: Session) -> Document:
        target = report.target
        document: Document = {
            "_id": target.key,
            "kind": target.kind,
            "story_id": target.story_id,
            "comment_id": target.comment_id,
            "user_id": target.user_id,
            "copy": await self._copy(target, session),
            "reports": 1,
            "state": "open",
            "first_at": report.at,
        }
        if self._hold is not None and target.kind == "story":
            held_for = {"hold_until": report.at + self._hold, "events": {"hold": new_id()}}
            document |= {**held_for, "pending": pending_mark(1, report.at)}
        await self._reported.insert_one(document, session=session)
        return {**document, "reports": 0}

    async def _delete_target(self, key: str) -> None:
        """Delete a target with its reports. A report made at the same moment conflicts, and leaves no row behind."""

        async def operation(session: Session) -> None:
            await self._reported.delete_one({"_id": key}, session=session)
            await self._reports.delete_many({"target": key}, session=session)

        await self._mongo.transaction(operation)

    async def _copy_what_came_meanwhile(self, target: Target) -> None:
        if await self._reported.find_one({"_id": target.key, "copy": None}, {"_id": 1}) is None:
            return
        story = await self._mongo[STORIES].find_one({"_id": target.story_id}, {"event": 1})
        if story is not None and story.get("event") is not None:
            await copy_into_early_report(self._mongo, target.story_id, story["event"])

    async def _copy(self, target: Target, session: Session) -> bytes | None:
        """What was reported, as JSON; None if it is gone already, or not consumed yet."""
        if target.kind == "story":
            story = await self._mongo[STORIES].find_one({"_id": target.story_id}, {"event": 1}, session=session)
            if story is None or story.get("event") is None:
                return None
            return story_copy(story["event"])
        comment = await self._mongo[COMMENTS].find_one({"_id": target.comment_id}, session=session)
        if comment is None:
            return None
        copy = {"text": comment["text"], "reply_to": comment["reply_to"], "created_at": comment["at"]}
        return msgspec.json.encode(copy)


def held(target: Document, event_id: str, at: datetime, until: datetime) -> OutgoingEvent:
    """The event that keeps a story's media until a time, or lets go of it."""
    event = StoryHeld(story_id=target["story_id"], author_id=target["user_id"], until=until, at=at)
    return OutgoingEvent(event, event_id, at)


async def copy_into_early_report(mongo: Mongo, story_id: str, event: bytes) -> None:
    """Give a story's report its copy where it was made before the story's event was consumed.

    The transactions of the two do not conflict, so each looks for the other after its commit: the later one finds it.
    """
    early = {"_id": f"story/{story_id}", "copy": None}
    await mongo[REPORTED].update_one(early, {"$set": {"copy": story_copy(event)}})


def story_copy(event: bytes) -> bytes:
    """What a report keeps of a story, from its event."""
    story = decode(event)
    return msgspec.json.encode({name: story.get(name) for name in STORY_COPY})


def report_of(row: Document, target: Document) -> Report:
    """The report in a row and its target's document."""
    copy: Mapping[str, Any] | None = decode(target["copy"]) if target["copy"] is not None else None
    return Report(
        id=row["_id"],
        kind=target["kind"],
        story_id=target["story_id"],
        comment_id=target["comment_id"],
        author_id=target.get("user_id"),
        reason=row["reason"],
        text=row["remark"],
        at=row["at"],
        state=row["state"],
        reports=target["reports"],
        copy=copy,
        decision=decision_of(target) if target["state"] == "decided" else None,
    )


def decision_of(document: Document) -> Decision:
    """The decision in a document."""
    return Decision(document["action"], document["admin_id"], document["decided_at"], document["days"])

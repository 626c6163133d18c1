"""In-memory fakes of all ports of engagement. One contract suite runs over them and over MongoDB."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from stories_shared.events import StoryPosted
from stories_shared.events.ids import new_id
from stories_shared.testing.erased_users import MemoryErasedUsers

from stories_engagement.domain.access_state import BlockState, LiveStory, Pair
from stories_engagement.domain.answers import Answer, AnswerableLayer, GivenAnswer, Tallies
from stories_engagement.domain.comments import Comment
from stories_engagement.domain.errors import AlreadyDecided, NotFound
from stories_engagement.domain.insights import Insights, LayerFigures, Totals, totals_with
from stories_engagement.domain.reports import AuditEntry, Decision, NewReport, Report, State, Target
from stories_engagement.domain.views import (
    Block,
    CountingContext,
    CountingResult,
    CountingRule,
    StoryCounter,
    View,
    ViewerRow,
    increments_of,
)
from stories_engagement.usecases.access import StoryAccess
from stories_engagement.usecases.answers import Position as AnswerPosition
from stories_engagement.usecases.comments import HasHidden
from stories_engagement.usecases.comments import Position as CommentPosition
from stories_engagement.usecases.engagements import Counts
from stories_engagement.usecases.hidden_words import HasHiddenWord, Rehiding
from stories_engagement.usecases.insights import Period, sealed_insights
from stories_engagement.usecases.privacy import Unlisting
from stories_engagement.usecases.stories import live_story_of
from stories_engagement.usecases.views import Position, Viewer, ViewerPage

Key = tuple[str, str]

UNLIST_BATCH = 2
"""Rows unlisted in one step."""

FAR = datetime(9000, 1, 1, tzinfo=UTC)
BEFORE_ALL = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass
class MemoryDatabase:
    """The data of all fakes."""

    counters: dict[str, StoryCounter] = field(default_factory=dict)
    viewers: Counter[str] = field(default_factory=Counter)
    plays: Counter[str] = field(default_factory=Counter)
    rows: dict[Key, ViewerRow] = field(default_factory=dict)
    stories: dict[str, LiveStory] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)
    sealed: dict[str, Insights] = field(default_factory=dict)
    block_states: dict[Key, BlockState] = field(default_factory=dict)
    blocks: dict[Key, Block] = field(default_factory=dict)
    privacy: dict[str, tuple[bool, datetime, datetime | None]] = field(default_factory=dict)
    unlist: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    erased_users: MemoryErasedUsers = field(default_factory=MemoryErasedUsers)
    reactions: dict[Key, tuple[str | None, datetime]] = field(default_factory=dict)
    shares: dict[Key, datetime] = field(default_factory=dict)
    answers: dict[tuple[str, str, str], tuple[Answer | None, datetime]] = field(default_factory=dict)
    comments: dict[str, Comment] = field(default_factory=dict)
    words: dict[str, tuple[tuple[str, ...], datetime]] = field(default_factory=dict)
    rehide: dict[str, datetime] = field(default_factory=dict)
    erase_at: dict[str, datetime] = field(default_factory=dict)
    authors: dict[str, str] = field(default_factory=dict)
    content: dict[str, StoryPosted] = field(default_factory=dict)
    reports: dict[str, Report] = field(default_factory=dict)
    reporters: dict[tuple[str, str], str] = field(default_factory=dict)
    audit: list[AuditEntry] = field(default_factory=list)

    @property
    def erased(self) -> dict[str, datetime]:
        """Until when users were erased."""
        return {user_id: mark.until for user_id, mark in self.erased_users.marks.items()}

    def live(self, story_id: str, author_id: str | None = None) -> None:
        """Raises `NotFound` for a story that has ended."""
        if story_id in self.ended:
            raise NotFound
        if author_id is not None:
            self.authors.setdefault(story_id, author_id)


@dataclass
class MemoryViews:
    """Counts views and stores who viewed."""

    database: MemoryDatabase

    async def count(self, views: Sequence[View], rule: CountingRule) -> CountingResult:
        database = self.database
        erased, unlisted_until = await self.marks(view.viewer_id for view in views)
        result = rule(
            CountingContext(
                counters={v.story_id: database.counters[v.story_id] for v in views if v.story_id in database.counters},
                rows={view.key: database.rows[view.key] for view in views if view.key in database.rows},
                erased=erased,
                blocks=database.blocks,
                unlisted_until=unlisted_until,
            )
        )
        for story_id, step in result.steps.items():
            database.counters.setdefault(story_id, StoryCounter(step.author_id))
            database.viewers[story_id] += step.viewers
            database.plays[story_id] += step.plays
        database.rows |= result.added
        for key, plays in result.plays.items():
            database.rows[key] = database.rows[key]._replace(plays={**database.rows[key].plays, **plays})
        return result

    async def marks(
        self, user_ids: Iterable[str], since: datetime | None = None
    ) -> tuple[Mapping[str, datetime], Mapping[str, datetime]]:
        people = set(user_ids)
        unlisted: dict[str, datetime] = {}
        for user_id in people & self.database.privacy.keys():
            listed, _, off_until = self.database.privacy[user_id]
            until = off_until if listed else FAR
            if until is not None:
                unlisted[user_id] = until
        erased = {user_id: self.database.erased[user_id] for user_id in people & self.database.erased.keys()}
        return {user_id: at for user_id, at in erased.items() if since is None or at >= since}, unlisted

    async def erase_viewer(self, user_id: str, until: datetime) -> None:
        for key, row in [(key, row) for key, row in self.database.rows.items() if row.viewer_id == user_id]:
            remaining = row.without(until)
            self.database.plays[row.story_id] -= len(row.plays) - (len(remaining.plays) if remaining else 0)
            self.database.rows.pop(key)
            if remaining:
                self.database.rows[key] = remaining
            else:
                self.database.viewers[row.story_id] -= 1

    async def unlist(self, user_id: str, until: datetime) -> None:
        for key, row in self.database.rows.items():
            if row.viewer_id == user_id and row.viewed_at <= until:
                self.database.rows[key] = row._replace(listed=False)

    async def unlist_some(self, user_id: str, until: datetime, after: str) -> str | None:
        later = sorted(key[0] for key in self.database.rows if key[1] == user_id and key[0] > after)
        for story_id in later[:UNLIST_BATCH]:
            row = self.database.rows[story_id, user_id]
            self.database.rows[story_id, user_id] = row._replace(listed=row.listed and row.viewed_at > until)
        return later[UNLIST_BATCH - 1] if len(later) >= UNLIST_BATCH else None

    async def page(self, story_id: str, after: Position | None, limit: int, excluded: Set[str]) -> ViewerPage:
        rows = [row for row in self.database.rows.values() if row.story_id == story_id]
        listed_rows = [row for row in rows if row.listed and row.viewer_id not in excluded]
        listed_rows.sort(key=lambda row: (row.viewed_at, row.viewer_id), reverse=True)
        beyond = [row for row in listed_rows if after is None or (row.viewed_at, row.viewer_id) < after]
        viewers = [
            Viewer(row.viewer_id, row.viewed_at, len(row.plays), self.database.reactions.get(row.key, (None, FAR))[0])
            for row in beyond[:limit]
        ]
        return ViewerPage(viewers, self.database.viewers[story_id], len(rows) - len(listed_rows))

    async def total(self, story_id: str) -> int:
        return self.database.viewers[story_id]


@dataclass
class MemoryStories:
    """Stores and ends stories."""

    database: MemoryDatabase

    async def put(self, story: StoryPosted) -> None:
        database, story_id, live_story = self.database, story.story_id, live_story_of(story)
        existing = database.stories.get(story_id)
        if story_id in database.ended or (existing and existing.revision >= live_story.revision):
            return
        database.stories[story_id] = live_story
        database.content[story_id] = story
        for report in [r for r in database.reports.values() if r.story_id == story_id and r.comment_id is None]:
            database.reports[report.id] = replace(report, copy=report.copy or {"caption": story.caption})
        database.counters[story_id] = StoryCounter(
            live_story.author_id, live_story.expires_at, view_list=live_story.view_list
        )
        own = database.rows.pop((story_id, live_story.author_id), None)
        if own is not None:
            database.viewers[story_id] -= 1
            database.plays[story_id] -= len(own.plays)

    async def end(self, story_ids: Collection[str], how: str) -> None:
        for story_id in story_ids:
            await self._end(story_id, how)

    async def _end(self, story_id: str, how: str) -> None:
        if how == "expired" and story_id not in self.database.ended:
            live = await MemoryInsights(self.database).live(story_id)
            if live is not None:
                self.database.sealed[story_id] = sealed_insights(live, live.posted_at, FLOOR)
        elif how == "deleted":
            self.database.sealed.pop(story_id, None)
        counter = self.database.counters.get(story_id, StoryCounter())
        self.database.counters[story_id] = replace(counter, ended=True)
        self.database.ended.setdefault(story_id, how)
        self.database.stories.pop(story_id, None)
        self.database.content.pop(story_id, None)

    async def erase_small(self, story_ids: Collection[str]) -> set[str]:
        return {story_id for story_id in story_ids if not await self.erase(story_id, 1)}

    async def erase(self, story_id: str, steps: int) -> bool:
        if not steps:
            return False
        database = self.database
        database.rows = {key: row for key, row in database.rows.items() if row.story_id != story_id}
        database.reactions = {key: kept for key, kept in database.reactions.items() if key[0] != story_id}
        database.shares = {key: kept for key, kept in database.shares.items() if key[0] != story_id}
        database.answers = {key: kept for key, kept in database.answers.items() if key[0] != story_id}
        database.comments = {key: kept for key, kept in database.comments.items() if kept.story_id != story_id}
        return True

    async def erase_later(self, story_id: str, now: datetime) -> None:
        self.database.erase_at[story_id] = now

    async def claim_erasure(self, now: datetime, until: datetime) -> str | None:
        waiting = sorted((at, story_id) for story_id, at in self.database.erase_at.items() if at <= now)
        if not waiting:
            return None
        _, story_id = waiting[0]
        self.database.erase_at[story_id] = until
        return story_id

    async def erased(self, story_id: str) -> None:
        self.database.erase_at.pop(story_id, None)


@dataclass
class MemoryBlocks:
    """Stores blocks."""

    database: MemoryDatabase

    async def block_states(self, pairs: Iterable[Pair]) -> dict[Pair, BlockState]:
        return {pair: self.database.block_states[pair] for pair in pairs if pair in self.database.block_states}

    async def block_states_of(self, user_id: str, limit: int) -> dict[Pair, BlockState]:
        mine = [(pair, state) for pair, state in self.database.block_states.items() if user_id in pair and state.on]
        return dict(mine[:limit])

    async def outdated(self, states: Mapping[Pair, BlockState]) -> set[Pair]:
        kept, erased = self.database.block_states, self.database.erased
        return {
            pair
            for pair, state in states.items()
            if (pair in kept and not kept[pair].superseded_by(state))
            or any(user in erased and state.at <= erased[user] for user in pair)
        }

    async def put(self, user_id: str, target_id: str, state: BlockState) -> None:
        key = user_id, target_id
        existing = self.database.block_states.get(key)
        if existing is not None and not existing.superseded_by(state):
            stored = self.database.blocks[key]
            if state.on and stored.until == stored.since > state.at:
                self.database.blocks[key] = Block(state.at, stored.until)
            return
        if any(state.at <= self.database.erased.get(user, BEFORE_ALL) for user in key):
            return
        since = self.database.blocks[key].since if existing is not None and existing.on else state.at
        self.database.block_states[key] = state
        self.database.blocks[key] = Block(since, None if state.on else state.at)


@dataclass
class MemoryPrivacy:
    """Stores privacy settings."""

    database: MemoryDatabase

    async def listed(self, user_id: str) -> bool:
        return self.database.privacy.get(user_id, (True, FAR, None))[0]

    async def set_listed(self, user_id: str, listed: bool, at: datetime) -> None:
        if not listed:
            self.database.privacy[user_id] = (False, at, None)
            self.database.unlist[user_id] = at, ""
        elif not await self.listed(user_id):
            self.database.privacy[user_id] = (True, at, at)

    async def claim_unlisting(self, now: datetime, until: datetime) -> Unlisting | None:
        due = sorted((due_at, user_id, after) for user_id, (due_at, after) in self.database.unlist.items())
        if not due or due[0][0] > now:
            return None
        _, user_id, after = due[0]
        self.database.unlist[user_id] = until, after
        _, at, off_until = self.database.privacy[user_id]
        return Unlisting(user_id, at, off_until or at, after)

    async def keep_progress(self, work: Unlisting, now: datetime) -> None:
        if self.database.privacy[work.user_id][1] == work.at:
            self.database.unlist[work.user_id] = now, work.after

    async def unlisted(self, work: Unlisting) -> None:
        if self.database.privacy[work.user_id][1] == work.at:
            del self.database.unlist[work.user_id]


@dataclass
class MemoryReactions:
    """Stores reactions."""

    database: MemoryDatabase

    async def put(self, access: StoryAccess, emoji: str, at: datetime) -> None:
        self.database.live(access.story_id, access.author_id)
        self.database.reactions[access.story_id, access.user_id] = (emoji, at)

    async def withdraw(self, story_id: str, user_id: str, at: datetime) -> bool:
        if (story_id, user_id) not in self.database.reactions:
            return False
        self.database.live(story_id)
        self.database.reactions[story_id, user_id] = (None, at)
        return True

    async def counts(self, story_id: str) -> Mapping[str, int]:
        return Counter(emoji for (s, _), (emoji, _) in self.database.reactions.items() if s == story_id and emoji)

    async def mine(self, story_id: str, user_id: str) -> str | None:
        return self.database.reactions.get((story_id, user_id), (None, FAR))[0]


@dataclass
class MemoryShares:
    """Stores shares."""

    database: MemoryDatabase

    async def put(self, access: StoryAccess, at: datetime) -> None:
        self.database.live(access.story_id, access.author_id)
        self.database.shares.setdefault((access.story_id, access.user_id), at)


@dataclass
class MemoryAnswers:
    """Stores answers to stickers."""

    database: MemoryDatabase

    async def put(self, access: StoryAccess, layer: AnswerableLayer, answer: Answer, at: datetime) -> Answer | None:
        self.database.live(access.story_id, access.author_id)
        key, answers = (access.story_id, layer.id, access.user_id), self.database.answers
        if answers.get(key, (None,))[0] != answer and not (layer.is_final and key in answers):
            answers[key] = answer, at
        return answers[key][0]

    async def withdraw(self, story_id: str, layer_id: str, user_id: str, at: datetime) -> bool:
        key = story_id, layer_id, user_id
        if key not in self.database.answers:
            return False
        self.database.live(story_id)
        self.database.answers[key] = None, at
        return True

    async def tallies(self, story_id: str, layers: Sequence[AnswerableLayer]) -> Mapping[str, Tallies]:
        return {layer.id: self._tallies(story_id, layer) for layer in layers}

    async def page(
        self, story_id: str, layer_id: str, after: AnswerPosition | None, limit: int, excluded: Set[str]
    ) -> list[GivenAnswer]:
        found = [
            GivenAnswer(user_id, answer, at)
            for (story, layer, user_id), (answer, at) in self.database.answers.items()
            if (story, layer) == (story_id, layer_id) and answer is not None and user_id not in excluded
        ]
        found.sort(key=lambda given: (given.at, given.user_id), reverse=True)
        return [given for given in found if after is None or (given.at, given.user_id) < after][:limit]

    def _tallies(self, story_id: str, layer: AnswerableLayer) -> Tallies:
        of_layer = [a for (s, at, _), (a, _) in self.database.answers.items() if (s, at) == (story_id, layer.id) and a]
        chosen = Counter(answer.option or 0 for answer in of_layer)
        return tuple(chosen[choice] for choice in range(layer.choices))


FLOOR = 5
"""People below whom sealed insights have no breakdowns."""


@dataclass
class MemoryInsights:
    """Computes insights from all rows."""

    database: MemoryDatabase

    async def live(self, story_id: str) -> Insights | None:
        database, story = self.database, self.database.content.get(story_id)
        if story is None or story_id in database.ended:
            return None
        rows = [row for row in database.rows.values() if row.story_id == story_id]
        sums = sum((increments_of(row) for row in rows), Counter[str]())
        emoji = await MemoryReactions(database).counts(story_id)
        counts = await MemoryCounters(database).counts(story_id)
        layers = live_story_of(story).layers
        tallies = await MemoryAnswers(database).tallies(story_id, layers)
        return Insights(
            story_id=story_id,
            author_id=story.author_id,
            posted_at=story.posted_at,
            expires_at=story.expires_at,
            series_id=story.series_id,
            part=story.part,
            viewers=len(rows),
            plays=sums["plays"],
            followers=sums["sums.followers"],
            completed=sums["sums.completed"],
            watched_ms=sums["sums.watched_ms"],
            forward=sums["sums.forward"],
            back=sums["sums.back"],
            exit=sums["sums.exit"],
            reactions=counts.reactions,
            emoji=dict(emoji),
            comments=counts.comments,
            shares=counts.shares,
            answered=sum(s == story_id and given is not None for (s, _, _), (given, _) in database.answers.items()),
            layers=tuple(LayerFigures(layer.id, layer.kind, tallies[layer.id]) for layer in layers),
        )

    async def live_of(self, author_id: str, limit: int) -> list[Insights]:
        mine = [story_id for story_id, story in self.database.content.items() if story.author_id == author_id]
        found = [await self.live(story_id) for story_id in mine]
        return [insights for insights in found if insights is not None][:limit]

    async def sealed(self, story_id: str) -> Insights | None:
        return self.database.sealed.get(story_id)

    async def sealed_page(
        self, author_id: str, period: Period, without: Collection[str], after: Position | None, limit: int
    ) -> list[Insights]:
        mine = [sealed for sealed in self.database.sealed.values() if sealed.author_id == author_id]
        found = [sealed for sealed in mine if period.holds(sealed.posted_at) and sealed.story_id not in without]
        found.sort(key=lambda sealed: (sealed.posted_at, sealed.story_id), reverse=True)
        return [sealed for sealed in found if after is None or (sealed.posted_at, sealed.story_id) < after][:limit]

    async def sealed_totals(self, author_id: str, period: Period, without: Collection[str]) -> Totals:
        return totals_with(Totals(), *await self.sealed_page(author_id, period, without, None, 1_000))

    async def parts(self, series_ids: Collection[str]) -> dict[str, dict[int, int]]:
        live = [await self.live(story_id) for story_id in self.database.content]
        found: defaultdict[str, dict[int, int]] = defaultdict(dict)
        for insights in (*live, *self.database.sealed.values()):
            if insights is not None and insights.series_id is not None and insights.series_id in series_ids:
                found[insights.series_id][insights.part] = insights.viewers
        return found


@dataclass
class MemoryComments:
    """Stores comments and hidden words."""

    database: MemoryDatabase

    async def add(
        self, comment: Comment, author_id: str, has_hidden_word: HasHidden, visible: Callable[[Comment], bool]
    ) -> Comment:
        self.database.live(comment.story_id, author_id)
        if comment.id in self.database.comments:
            return self.database.comments[comment.id]
        top = None
        if comment.reply_to is not None:
            found = self.database.comments.get(comment.reply_to)
            if found is None or found.story_id != comment.story_id or not visible(found):
                raise NotFound
            top = self.database.comments[found.reply_to] if found.reply_to else found
        hidden = has_hidden_word(self.database.words.get(author_id, ((), FAR))[0]) or bool(top and top.hidden)
        kept = replace(comment, reply_to=top.id if top else None, hidden=hidden)
        self.database.comments[kept.id] = kept
        self._recount(kept.reply_to)
        return kept

    async def get(self, comment_id: str) -> Comment | None:
        return self.database.comments.get(comment_id)

    async def author_of(self, story_id: str) -> str | None:
        return self.database.authors.get(story_id)

    async def remove(self, comment: Comment) -> bool:
        if comment.story_id in self.database.ended or self.database.comments.pop(comment.id, None) is None:
            return False
        for reply in [reply for reply in self.database.comments.values() if reply.reply_to == comment.id]:
            del self.database.comments[reply.id]
        self._recount(comment.reply_to)
        return True

    async def page(
        self, story_id: str, reply_to: str | None, after: CommentPosition | None, limit: int
    ) -> list[Comment]:
        found = [c for c in self.database.comments.values() if c.story_id == story_id and c.reply_to == reply_to]
        newest_first = reply_to is None
        found.sort(key=lambda c: (c.created_at, c.id), reverse=newest_first)
        if after is not None:
            at = [(c.created_at, c.id) for c in found]
            found = [c for c, p in zip(found, at, strict=True) if p != after and (p < after) == newest_first]
        return found[:limit]

    async def words(self, author_id: str) -> tuple[str, ...]:
        return self.database.words.get(author_id, ((), FAR))[0]

    async def set_words(self, author_id: str, words: Sequence[str], at: datetime) -> None:
        self.database.words[author_id] = (tuple(words), at)
        self.database.rehide[author_id] = at

    async def unapplied(self, author_id: str) -> tuple[str, ...] | None:
        return await self.words(author_id) if author_id in self.database.rehide else None

    async def claim(self, now: datetime, until: datetime) -> Rehiding | None:
        waiting = sorted((at, author_id) for author_id, at in self.database.rehide.items() if at <= now)
        if not waiting:
            return None
        _, author_id = waiting[0]
        self.database.rehide[author_id] = until
        words, at = self.database.words[author_id]
        return Rehiding(author_id, str(at), words)

    async def apply_some(self, work: Rehiding, has_hidden_word: HasHiddenWord, until: datetime) -> Rehiding | None:
        self.database.rehide[work.author_id] = until
        mine = {
            story_id for story_id, live_story in self.database.stories.items() if live_story.author_id == work.author_id
        }
        tops_first = sorted(self.database.comments.values(), key=lambda c: c.reply_to is not None)
        for comment in (c for c in tops_first if c.story_id in mine):
            top = self.database.comments[comment.reply_to] if comment.reply_to else None
            hidden = has_hidden_word(work.words, comment.text) or bool(top and top.hidden)
            self.database.comments[comment.id] = replace(self.database.comments[comment.id], hidden=hidden)
            self._recount(comment.reply_to)
        self.database.rehide.pop(work.author_id, None)
        return None

    async def give_back(self, work: Rehiding, now: datetime) -> None:
        self.database.rehide[work.author_id] = now

    def _recount(self, top_id: str | None) -> None:
        if top_id in self.database.comments:
            replies = sum(c.reply_to == top_id and not c.hidden for c in self.database.comments.values())
            self.database.comments[top_id] = replace(self.database.comments[top_id], replies=replies)


@dataclass
class MemoryReports:
    """Stores reports and decisions."""

    database: MemoryDatabase

    async def add(self, report: NewReport) -> bool:
        database, target = self.database, report.target
        if (target.key, report.reporter_id) in database.reporters:
            return False
        same = self._of(target.key)
        report_id = new_id()
        database.reporters[target.key, report.reporter_id] = report_id
        database.reports[report_id] = Report(
            id=report_id,
            kind=target.kind,
            story_id=target.story_id,
            comment_id=target.comment_id,
            author_id=target.user_id,
            reason=report.reason,
            text=report.text,
            at=report.at,
            state=same[0].state if same else "open",
            reports=len(same),
            copy=same[0].copy if same else self._copy(target),
            decision=same[0].decision if same else None,
        )
        for kept in self._of(target.key):
            database.reports[kept.id] = replace(kept, reports=len(same) + 1)
        return True

    async def page(self, state: State | None, after: str | None, limit: int) -> list[Report]:
        found = sorted(self.database.reports.values(), key=lambda report: report.id)
        return [r for r in found if state in {None, r.state} and (after is None or r.id > after)][:limit]

    async def get(self, report_id: str) -> Report | None:
        return self.database.reports.get(report_id)

    async def decide(self, report_id: str, decision: Decision) -> str:
        report = self.database.reports.get(report_id)
        if report is None:
            raise NotFound
        key = f"{report.kind}/{report.comment_id or report.story_id}"
        if report.decision is not None:
            if report.decision.action != decision.action:
                raise AlreadyDecided
            return key
        for kept in self._of(key):
            self.database.reports[kept.id] = replace(kept, state="decided", decision=decision)
        about = report.kind, report.story_id, report.comment_id, report.author_id
        self.database.audit.append(AuditEntry(new_id(), report_id, *about, decision))
        return key

    async def audit(self, before: str | None, limit: int) -> list[AuditEntry]:
        return [entry for entry in reversed(self.database.audit) if before is None or entry.id < before][:limit]

    async def open_reports(self) -> int:
        return len(await self.page("open", None, 1_000))

    def _of(self, key: str) -> list[Report]:
        return [r for r in self.database.reports.values() if f"{r.kind}/{r.comment_id or r.story_id}" == key]

    def _copy(self, target: Target) -> Mapping[str, Any] | None:
        if target.comment_id is not None:
            comment = self.database.comments.get(target.comment_id)
            return {"text": comment.text} if comment else None
        story = self.database.content.get(target.story_id)
        return {"caption": story.caption} if story else None


@dataclass
class MemoryCounters:
    """Reads counts."""

    database: MemoryDatabase

    async def counts(self, story_id: str) -> Counts:
        database = self.database
        return Counts(
            views=database.plays[story_id],
            viewers=database.viewers[story_id],
            reactions=sum(s == story_id and emoji is not None for (s, _), (emoji, _) in database.reactions.items()),
            comments=sum(c.story_id == story_id and not c.hidden for c in database.comments.values()),
            shares=sum(s == story_id for s, _ in database.shares),
        )


@dataclass
class MemoryUserErasure:
    """Erases all data of users."""

    database: MemoryDatabase

    async def erase_user(self, user_id: str, until: datetime) -> None:
        database = self.database
        await MemoryViews(database).erase_viewer(user_id, until)
        written = [c for c in database.comments.values() if c.writer_id == user_id and c.created_at <= until]
        for comment in written:
            await MemoryComments(database).remove(comment)
        database.reactions = {k: kept for k, kept in database.reactions.items() if k[1] != user_id or kept[1] > until}
        database.shares = {k: at for k, at in database.shares.items() if k[1] != user_id or at > until}
        database.answers = {k: kept for k, kept in database.answers.items() if k[2] != user_id or kept[1] > until}
        for sealed in [sealed for sealed in database.sealed.values() if sealed.author_id == user_id]:
            if sealed.posted_at <= until:
                del database.sealed[sealed.story_id]
        for pair in [pair for pair, state in database.block_states.items() if user_id in pair and state.at <= until]:
            del database.block_states[pair], database.blocks[pair]
        if user_id in database.privacy and database.privacy[user_id][1] <= until:
            del database.privacy[user_id]
            database.unlist.pop(user_id, None)
        if user_id in database.words and database.words[user_id][1] <= until:
            del database.words[user_id]
        for key in [key for key in database.reporters if key[1] == user_id]:
            report_id = database.reporters.pop(key)
            database.reports[report_id] = replace(database.reports[report_id], text=None)
        database.reports = {k: r for k, r in database.reports.items() if r.author_id != user_id or r.at > until}
        database.audit = [replace(e, author_id=None) if e.author_id == user_id else e for e in database.audit]

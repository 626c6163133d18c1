"""The composition root: every part of engagement, wired by hand."""

from collections.abc import Sequence
from datetime import timedelta

from fastapi import FastAPI
from stories_shared.clock import Clock, system_now
from stories_shared.events import StoryErased, StoryViewed, UserDataErased
from stories_shared.events.outgoing import Saying
from stories_shared.http.paging import Cursors
from stories_shared.http.rate_limits import Limits
from stories_shared.kafka.publisher import Publisher
from stories_shared.mongo.idempotency import Claims
from stories_shared.mongo.leases import Leases
from stories_shared.mongo.outbox import Outbox
from stories_shared.runtime.metrics import Catalogue
from stories_shared.runtime.provision import prepare
from stories_shared.runtime.service import Foundation

from stories_engagement.domain.access_state import Standing
from stories_engagement.domain.recent_plays import RecentPlays
from stories_engagement.handlers import people_handlers, story_handlers, view_handlers
from stories_engagement.jobs import Ear, ForgetUnheard, PruneStanding, WhenWoken
from stories_engagement.metrics import EngagementMetrics
from stories_engagement.routes.comments import comment_routes
from stories_engagement.routes.dependencies import OnceOnly
from stories_engagement.routes.engagements import count_routes, reaction_routes, share_routes
from stories_engagement.routes.errors import install_refusals
from stories_engagement.routes.me import me_routes
from stories_engagement.routes.views import view_routes
from stories_engagement.settings import EngagementSettings
from stories_engagement.store.comments import MongoComments, MongoHiddenWords
from stories_engagement.store.engagements import MongoReactions, MongoShares
from stories_engagement.store.schema import CLAIMS, ENGAGEMENTS, ensure
from stories_engagement.store.stories import MongoStories
from stories_engagement.store.story_counters import Book, facts
from stories_engagement.store.users import MongoBlocks, MongoPeople, MongoPrivacy
from stories_engagement.store.views import MongoLedger
from stories_engagement.usecases.access import Admit
from stories_engagement.usecases.blocks import FindBlocked, ForgetStoredBlocks
from stories_engagement.usecases.comments import DeleteComment, FindComment, ReadComments, WriteComment
from stories_engagement.usecases.engagements import React, ReadCounts, ReadReactions, Share, WithdrawReaction
from stories_engagement.usecases.stories import EndStories, KeepStories
from stories_engagement.usecases.users import (
    ApplyHiddenWords,
    EraseUser,
    KeepBlock,
    ReadHiddenWords,
    ReadPrivacy,
    SetHiddenWords,
    SetPrivacy,
)
from stories_engagement.usecases.views import CountViews, ListViewers, TakeViews

TITLE = "Stories: engagement"

A_SECOND = timedelta(seconds=1)

UNHEARD_AFTER = timedelta(hours=24)
"""Longer than any story that was viewed may lag behind its own views, on top of the longest lifetime."""


class Announcements:
    """Says engagement's facts that are not said from the outbox."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def say_views(self, views: Sequence[StoryViewed]) -> None:
        """Returns when all are acknowledged."""
        await self._publisher.say_all([Saying(view) for view in views])

    async def say_erased(self, event: StoryErased) -> None:
        """Returns when it is acknowledged."""
        await self._publisher.say(event)

    async def say_data_erased(self, event: UserDataErased) -> None:
        """Returns when it is acknowledged."""
        await self._publisher.say(event)


def build_app(settings: EngagementSettings, now: Clock = system_now) -> FastAPI:
    """One engagement process."""
    catalogue = Catalogue()
    metrics = EngagementMetrics(catalogue)
    base = Foundation("engagement", settings, catalogue, now)
    mongo, announcements = base.mongo, Announcements(base.publisher)

    outbox = Outbox("engagements", mongo[ENGAGEMENTS], facts, base.publisher, now)
    book = Book(mongo, now, outbox.wake)
    ledger, stories, blocks, privacy = (
        MongoLedger(mongo, now),
        MongoStories(mongo, now),
        MongoBlocks(mongo),
        MongoPrivacy(mongo),
    )
    comments, reactions, shares, words = (
        MongoComments(book),
        MongoReactions(book),
        MongoShares(book),
        MongoHiddenWords(book),
    )
    mine = [each.forget for each in (book, privacy, words, blocks)]
    people = MongoPeople(mongo, now, [ledger.forget_viewer, *mine])

    standing, recent = Standing(), RecentPlays()
    stale_after = timedelta(milliseconds=settings.stale_after_ms)
    ear = Ear(base.kafka, standing, stories, stale_after, now)
    blocked = FindBlocked(standing, blocks)
    admit = Admit(base.tickets, standing, blocked, ear, now)
    cursors = Cursors(settings.ticket_secrets)
    once_only = OnceOnly(Claims(mongo[CLAIMS], now))
    erase_user = EraseUser(people, announcements, now)
    end_stories = EndStories(stories, announcements, now)
    apply_words = WhenWoken(ApplyHiddenWords(words, now), A_SECOND)
    write = WriteComment(comments, blocked, now)
    forget_unheard = ForgetUnheard(stories, max(settings.story_lifetimes) + UNHEARD_AFTER, now)

    leases = Leases(mongo, now)

    base.outbox(outbox)
    base.tail(ear.tail)
    base.sweep("look-again", timedelta(seconds=5), leases.exclusive("look-again", erase_user.look_again))
    base.sweep("hidden-words", A_SECOND, apply_words)
    base.sweep("erase", A_SECOND, end_stories.continue_erasing)
    base.sweep("unheard", timedelta(minutes=1), leases.exclusive("unheard", forget_unheard))
    base.sweep("prune", A_SECOND * 5, PruneStanding(standing, ForgetStoredBlocks(standing, blocks, now), metrics, now))

    app = base.app(
        TITLE,
        view_routes(
            admit,
            TakeViews(admit, blocked, privacy, announcements, now),
            ListViewers(ledger, blocked),
            cursors,
            metrics,
        ),
        reaction_routes(
            admit, React(reactions, now), WithdrawReaction(reactions, admit, now), ReadReactions(reactions)
        ),
        comment_routes(
            admit,
            write,
            FindComment(comments),
            ReadComments(comments, words, blocked),
            DeleteComment(comments, standing, now),
            once_only,
            cursors,
        ),
        share_routes(admit, Share(shares, settings.share_link, now), once_only),
        count_routes(admit, ReadCounts(book)),
        me_routes(
            ReadPrivacy(privacy),
            SetPrivacy(privacy, ledger, now),
            ReadHiddenWords(words),
            SetHiddenWords(words, now, apply_words.wake),
        ),
        story_handlers(KeepStories(stories), end_stories),
        view_handlers(CountViews(ledger, recent, now), metrics),
        people_handlers(KeepBlock(blocks), erase_user),
        standing=standing,
        recent=recent,
        limits=Limits(settings.quotas, lambda name: base.metrics.rate_limited.labels(name).inc(), now),
    )
    install_refusals(app, metrics)
    return app


async def init(settings: EngagementSettings, *, settle: bool = False) -> None:
    """Make what engagement needs and owns: topics, collections, indexes. Idempotent."""
    await prepare("engagement", settings, ensure, settle=settle)

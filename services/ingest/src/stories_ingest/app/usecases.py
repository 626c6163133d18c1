"""Use cases that keep state in memory, or that routes, consumers and background tasks share."""

from collections.abc import Callable
from datetime import timedelta

from stories_shared.clock import Clock
from stories_shared.events.ids import new_id
from stories_shared.rollout.file import PolicyFile
from stories_shared.runtime.service import ServiceRuntime
from stories_shared.runtime.user_erasure import EraseUser

from stories_ingest.app.stores import Stores
from stories_ingest.domain.access_edges import RecentEdges
from stories_ingest.jobs.access_reader import AccessReader
from stories_ingest.settings import IngestSettings
from stories_ingest.usecases.access_edges import FindHidden
from stories_ingest.usecases.archive import EmptyArchive, EraseArchived, ExpireStory
from stories_ingest.usecases.delete import DeleteAllStories
from stories_ingest.usecases.endings import EraseMedia
from stories_ingest.usecases.erasure import EraseAccount
from stories_ingest.usecases.holds import EraseUnlessHeld, LetGo
from stories_ingest.usecases.post_scheduled import PostScheduled
from stories_ingest.usecases.read import ReadStory
from stories_ingest.usecases.rollout import Rollout
from stories_ingest.usecases.wakeups import Wakeups


class SharedUseCases:
    """One of each, with the state that they keep in memory."""

    def __init__(
        self,
        stores: Stores,
        settings: IngestSettings,
        runtime: ServiceRuntime,
        now: Clock,
        on_policy_reload: Callable[[bool, bool], None],
    ) -> None:
        stories, bucket, publisher = stores.stories, stores.bucket, stores.publisher
        self.wakeups = Wakeups()
        self.policy_file = PolicyFile(settings.rollout_file, on_policy_reload)
        self.rollout = Rollout(self.policy_file)
        self.recent_edges = RecentEdges()
        stale_after = timedelta(milliseconds=settings.stale_after_ms)
        self.access_reader = AccessReader(runtime.kafka, self.recent_edges, stale_after, now)
        self.find_hidden = FindHidden(self.recent_edges, stores.access_edges, self.access_reader)
        self.read = ReadStory(stories, bucket.media_url, now)
        self.post_scheduled = PostScheduled(
            stores.cleanup.due_scheduled, stories, bucket, stores.posted, self.wakeups, settings.quota_limits, now
        )
        self.delete_all = DeleteAllStories(stores.cleanup, stories, stores.endings, now, new_id)
        self.expire = ExpireStory(stories, stores.archive, bucket, now, settings.archive)
        self.erase_archived = EraseArchived(stores.archive, bucket, publisher, now)
        self.empty_archive = EmptyArchive(stores.archive, self.erase_archived, now, settings.archive)
        self.unless_held = EraseUnlessHeld(bucket, stores.holds, now)
        self.let_go = LetGo(bucket, stores.holds, publisher, now)
        self.erase = EraseMedia(self.unless_held, stores.cleanup, stores.archive, publisher, now)
        erase_account = EraseAccount(
            stores.cleanup, stories, bucket, stores.endings, self.let_go, now, new_id, self.erase_archived
        )
        self.erase_user = EraseUser("ingest", stores.erased_users, erase_account, runtime.publisher.publish, now)

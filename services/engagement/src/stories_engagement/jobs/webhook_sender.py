"""The background task that delivers webhooks: one task for each endpoint, on one replica at a time."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable

from stories_shared.errors import failed_dependency
from stories_shared.mongo.leases import LEASE_FOR, Leases
from stories_shared.runtime.logging import logger
from stories_shared.runtime.wakeup import Wakeup

from stories_engagement.domain.webhooks import Webhook, lease_of
from stories_engagement.jobs.webhook_client import WebhookClient
from stories_engagement.usecases.webhooks import DeliverDue, WebhookRepository

log = logger(__name__)

POLL_S = 1.0
"""How soon a replica sees a changed endpoint, and deliveries that another replica has queued or that are due again."""

RENEW_AFTER_S = LEASE_FOR.total_seconds() / 3
STANDBY_S = 3.0
"""How often a replica asks for the lease of an endpoint that another one serves."""

FAILURE_PAUSE_S = 2.0
STOP_WITHIN_S = 1.0


class WebhookSender:
    """Runs a task for each enabled endpoint. An endpoint that hangs or fails keeps only its own task busy."""

    def __init__(
        self,
        webhooks: WebhookRepository,
        deliver: DeliverDue,
        leases: Leases,
        client: Callable[[], WebhookClient],
    ) -> None:
        self._webhooks = webhooks
        self._deliver = deliver
        self._leases = leases
        self._client = client
        self._known: dict[str, Webhook] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wakeups: defaultdict[str, Wakeup] = defaultdict(Wakeup)
        self.iterations = 0

    def wake(self, webhook_id: str) -> None:
        """A delivery for this endpoint may be due."""
        self._wakeups[webhook_id].set()

    async def run(self) -> None:
        """Keep the tasks equal to the endpoints, for ever; stop them at the end."""
        try:
            while True:
                self._known = {webhook.id: webhook for webhook in await self._webhooks.all() if webhook.enabled}
                ended = [webhook_id for webhook_id, task in self._tasks.items() if task.done()]
                await self._stop([*ended, *(self._tasks.keys() - self._known.keys())])
                for webhook_id in self._known.keys() - self._tasks.keys():
                    self._tasks[webhook_id] = asyncio.create_task(self._serve(webhook_id), name=f"webhook-{webhook_id}")
                if not await self._webhooks.remove_deleted():
                    await asyncio.sleep(POLL_S)
                self.iterations += 1
        finally:
            await self._stop(list(self._tasks))

    async def _serve(self, webhook_id: str) -> None:
        """Deliver to one endpoint while this replica has its lease."""
        client, leased_until = self._client(), 0.0
        try:
            while webhook_id in self._known:
                try:
                    if time.monotonic() > leased_until:
                        if not await self._leases.acquire(lease_of(webhook_id)):
                            await asyncio.sleep(STANDBY_S)
                            continue
                        leased_until = time.monotonic() + RENEW_AFTER_S
                    if not await self._deliver(self._known[webhook_id], client.send):
                        await self._wakeups[webhook_id].wait(POLL_S)
                except Exception as error:  # noqa: BLE001  (the task of an endpoint goes on)
                    await self._pause_after(error)
        finally:
            await client.close()

    async def _pause_after(self, error: Exception) -> None:
        dependency = failed_dependency(error)
        if dependency:
            log.warning("webhooks_waiting", dependency=dependency, error=type(error).__name__)
        else:
            log.error("webhooks_failed", exc_info=error)
        await asyncio.sleep(FAILURE_PAUSE_S)

    async def _stop(self, webhook_ids: Iterable[str]) -> None:
        """Cancel tasks and wait for them, for a bounded time."""
        tasks = [self._tasks.pop(webhook_id) for webhook_id in set(webhook_ids)]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_WITHIN_S)

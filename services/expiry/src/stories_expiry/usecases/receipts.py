"""Receipts of erasures."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from stories_expiry.domain.endings import Receipt, log_clears_by
from stories_expiry.usecases.ports import StoryRepository


@dataclass(frozen=True, slots=True)
class ReadReceipt:
    """Read a receipt, for the story's author and for admins.

    Args:
        stories: with their receipts.
        max_record_age: the longest time that a topic keeps a story's content or a viewer's id.
    """

    stories: StoryRepository
    max_record_age: timedelta

    async def __call__(self, story_id: str, user_id: str, *, admin: bool) -> tuple[Receipt, datetime] | None:
        """The receipt and `log_clears_by`; None where this user may read none."""
        receipt = await self.stories.receipt(story_id)
        if receipt is None or not receipt.may_read(user_id, admin=admin):
            return None
        return receipt, log_clears_by(receipt, self.max_record_age)

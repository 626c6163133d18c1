"""Sticker answers: given, changed and withdrawn by viewers, listed for the author; at most one per viewer and layer."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from stories_shared.clock import Clock, truncate_to_ms

from stories_engagement.domain.answers import Answer, AnswerableLayer, GivenAnswer, Tallies
from stories_engagement.domain.errors import AccessDenied, AnswerFinal, NotFound, ReplicaStale, WrongAnswer
from stories_engagement.usecases.access import CheckAccess, StoryAccess
from stories_engagement.usecases.blocks import FindBlocked
from stories_engagement.usecases.paging import Position


class AnswerRepository(Protocol):
    """Stores one answer per viewer and layer, and counts them by option."""

    async def put(self, access: StoryAccess, layer: AnswerableLayer, answer: Answer, at: datetime) -> Answer | None:
        """Set a viewer's answer; the stored one afterwards, None where it was withdrawn. Raises `NotFound`."""

    async def withdraw(self, story_id: str, layer_id: str, user_id: str, at: datetime) -> bool:
        """Withdraw a viewer's answer; False if there never was one. Raises `NotFound`."""

    async def tallies(self, story_id: str, layers: Sequence[AnswerableLayer]) -> Mapping[str, Tallies]:
        """The tallies by layer."""

    async def page(
        self, story_id: str, layer_id: str, after: Position | None, limit: int, excluded: Set[str]
    ) -> list[GivenAnswer]:
        """Answers to a layer, newest first, without excluded users."""


def layer_of(access: StoryAccess, layer_id: str) -> AnswerableLayer:
    """The layer of the story. Raises `NotFound`, or `ReplicaStale` where this replica does not know the story yet."""
    if access.layers is None:
        raise ReplicaStale(access.story_id)
    found = next((layer for layer in access.layers if layer.id == layer_id), None)
    if found is None:
        raise NotFound
    return found


def check_answer(layer: AnswerableLayer, answer: Answer) -> None:
    """Raises `WrongAnswer` for an answer of another kind of layer, or an option that the layer does not have."""
    given = "option" if answer.option is not None else "text" if answer.text is not None else "copied"
    expected = "option" if layer.options else "text" if layer.kind == "question" else "copied"
    if given != expected:
        raise WrongAnswer(given, f"this layer takes `{expected}`")
    if answer.option is not None and answer.option >= layer.options:
        raise WrongAnswer("option", f"this layer has {layer.options} options")


@dataclass(frozen=True, slots=True)
class GiveAnswer:
    """Answer a layer, replacing an earlier answer. A quiz keeps the first one, also after it was withdrawn."""

    answers: AnswerRepository
    now: Clock

    async def __call__(self, access: StoryAccess, layer_id: str, answer: Answer) -> tuple[AnswerableLayer, Tallies]:
        """The layer and its tallies with this answer. Raises `NotFound`, `WrongAnswer` or `AnswerFinal`."""
        layer = layer_of(access, layer_id)
        check_answer(layer, answer)
        if await self.answers.put(access, layer, answer, truncate_to_ms(self.now())) != answer:
            raise AnswerFinal
        return layer, (await self.answers.tallies(access.story_id, [layer]))[layer_id]


@dataclass(frozen=True, slots=True)
class WithdrawAnswer:
    """Withdraw the caller's answer. No ticket needed: the viewer may have lost access since answering."""

    answers: AnswerRepository
    check_access: CheckAccess
    now: Clock

    async def __call__(self, user_id: str, story_id: str, layer_id: str, ticket: str | None) -> None:
        """Idempotent. Raises `AccessDenied` where the caller never answered and has no ticket."""
        if self.check_access.access_state.has_ended(story_id, self.now()):
            raise AccessDenied("ended")
        if not await self.answers.withdraw(story_id, layer_id, user_id, truncate_to_ms(self.now())):
            layer_of(await self.check_access(user_id, story_id, ticket), layer_id)


@dataclass(frozen=True, slots=True)
class ListAnswers:
    """List the answers to a layer for the author, newest first, without users with a block."""

    answers: AnswerRepository
    blocks: FindBlocked

    async def __call__(
        self, access: StoryAccess, layer_id: str, after: Position | None, limit: int
    ) -> tuple[list[GivenAnswer], Tallies, Position | None]:
        """At most `limit` answers, the tallies of all, the next page's position. `access` is the author's.

        Raises `NotFound`.
        """
        layer = layer_of(access, layer_id)
        excluded = await self.blocks.of(access.author_id)
        found = await self.answers.page(access.story_id, layer_id, after, limit + 1, excluded)
        # The lookup of all blocks is bounded, so the page itself is checked too.
        blocked = await self.blocks.among(access.author_id, {given.user_id for given in found})
        last = found[limit - 1] if len(found) > limit else None
        tallies = await self.answers.tallies(access.story_id, [layer])
        visible = [given for given in found[:limit] if given.user_id not in blocked]
        return visible, tallies[layer_id], (last.at, last.user_id) if last else None

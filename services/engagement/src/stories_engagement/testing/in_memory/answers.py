"""Answers to stickers."""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from stories_engagement.domain.answers import Answer, AnswerableLayer, GivenAnswer, Tallies
from stories_engagement.testing.in_memory.database import MemoryDatabase
from stories_engagement.usecases.access import StoryAccess
from stories_engagement.usecases.paging import Position


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
        self, story_id: str, layer_id: str, after: Position | None, limit: int, excluded: Set[str]
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

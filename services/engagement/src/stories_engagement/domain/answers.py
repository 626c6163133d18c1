"""Answers to a story's stickers: poll, quiz, question, promo code."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

AnswerableKind = Literal["poll", "quiz", "question", "promo_code"]


@dataclass(frozen=True, slots=True)
class AnswerableLayer:
    """A sticker that viewers answer. `options`: how many a poll or quiz has, otherwise 0; `correct`: a quiz's index."""

    id: str
    kind: AnswerableKind
    options: int = 0
    correct: int | None = None

    @property
    def is_final(self) -> bool:
        """Whether the first answer stays."""
        return self.kind == "quiz"

    @property
    def choices(self) -> int:
        """The number of tallies: one for each option, otherwise one for all answers."""
        return self.options or 1


@dataclass(frozen=True, slots=True)
class Answer:
    """An option's index, or a text; neither: the code was copied."""

    option: int | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """An answer, by whom and when."""

    user_id: str
    answer: Answer
    at: datetime


Tallies = tuple[int, ...]
"""How many answers each option has; of a question or promo code one number."""

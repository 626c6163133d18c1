"""Values that links take from responses, which links were followed, and the shortest ways to the others."""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from schemathesis.core.result import Ok
from schemathesis.core.transforms import UNRESOLVABLE
from schemathesis.generation.stateful.control import TransitionController
from schemathesis.generation.stateful.state_machine import StepInput, StepOutput, Transition

TRIES = 3
"""How often a scenario repeats a step."""
TRIES_PER_STEP = 2
"""Failed attempts that cost as much as one more step."""
UNREACHED = 1_000.0
EXHAUSTED = 2_000.0
IMPOSSIBLE = 10_000.0


@dataclass
class Walked:
    """Followed links, their responses, and violations of the documents."""

    links: Counter[str] = field(default_factory=Counter)
    """By link: how often it was followed successfully."""
    tried: Counter[str] = field(default_factory=Counter)
    """By link: how often it was tried, successfully or not."""
    ways: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    """By operations and status: how often one led to the other."""
    failures: dict[str, str] = field(default_factory=dict)
    scenarios: int = 0
    steps: int = 0

    @property
    def missing(self) -> set[str]:
        """Links that were never followed successfully."""
        return {link for link, followed in self.links.items() if not followed}

    def report(self) -> str:
        """A report: missing links, then how often which operation led to which, with its status."""
        lines = [f"{self.scenarios} scenarios, {self.steps} steps, {len(self.links)} links", *sorted(self.missing)]
        lines += [
            f"{times:5} {source} -> {target} {status}" for (source, target, status), times in sorted(self.ways.items())
        ]
        return "\n".join(lines)


class Guide(TransitionController):
    """Selects the next steps: those nearest to a missing link, with costs that differ in every scenario."""

    def __init__(self, machine: Any, walked: Walked) -> None:
        super().__init__(machine._transitions, machine._root_labels)
        self.machine, self.walked = machine, walked
        self.seed, self.missing = walked.scenarios, walked.missing
        self.costs: dict[str, float] = {}
        self.root_costs: dict[str, float] = {}
        self.complete: dict[tuple[str, str], bool] = {}
        self.now: dict[str, float] = {}
        self.best = 0.0
        self._measure()
        self._look()

    def _measure(self) -> None:
        """Compute the distance from each operation to the nearest missing link."""
        links = self.links
        length = {link.full_name: random.Random(f"{self.seed}{link.full_name}").uniform(1, 4) for link in links}
        far = dict.fromkeys(self.transitions.operations, UNREACHED)
        for _ in far:
            for link in links:
                onwards = length[link.full_name] + far[link.target.label]
                tried = self.walked.tried[link.full_name] / TRIES_PER_STEP
                self.costs[link.full_name] = tried if link.full_name in self.missing else onwards
            nearer = {
                label: min((self.costs[link.full_name] for link in outgoing(each)), default=UNREACHED)
                for label, each in self.transitions.operations.items()
            }
            if nearer == far:
                break
            far = nearer
        self.root_costs = {label: 1 + far[label] for label in self.roots}

    def record_step(self, input: StepInput, recorder: Any) -> None:  # noqa: A002
        super().record_step(input, recorder)
        self.now = {}

    def allow_transition(self, source: str, target: str) -> bool:
        self._look()
        links = [each for each in outgoing(self.transitions.operations[source]) if each.target.label == target]
        return any(self.now[link.full_name] <= self.best for link in links)

    def allow_root_transition(self, source: str, bundles: Any) -> bool:
        self._look()
        return self.now[source] <= self.best

    @property
    def links(self) -> list[Any]:
        """Every link."""
        return [link for each in self.transitions.operations.values() for link in outgoing(each)]

    def _look(self) -> None:
        """Compute the cost of each possible step."""
        if not self.now:
            if self.missing != self.walked.missing:
                self.missing = self.walked.missing
                self._measure()
            self.now = {link.full_name: self._cost(link) for link in self.links}
            self.now |= {label: self._root_cost(label) for label in self.roots}
            self.best = min(self.now.values())

    def _cost(self, link: Any) -> float:
        names = self.machine.bundle(f"{link.source.label} -> {link.status_code}")
        if not any(self._leads_on(link, self.machine.names_to_values[each.name]) for each in names):
            return IMPOSSIBLE
        gone = sum(each[link.target.label] for each in self.statistic.get(link.source.label, {}).values())
        return float(self.costs[link.full_name] + (EXHAUSTED if gone >= TRIES else 0))

    def _leads_on(self, link: Any, output: StepOutput) -> bool:
        known = (link.full_name, output.case.id)
        if known not in self.complete:
            self.complete[known] = is_complete(link.extract(output))
        return self.complete[known]

    def _root_cost(self, label: str) -> float:
        if "{story_id}" in label:
            return IMPOSSIBLE  # of an unknown story
        calls = self._root_calls(label)
        return self.root_costs[label] + (calls * UNREACHED if calls >= TRIES else 0)


def outgoing(transitions: Any) -> list[Any]:
    """The links of an operation's responses."""
    return list(transitions.outgoing) if transitions is not None else []


def found_by(transition: Transition) -> dict[str, dict[str, Any]]:
    """The values that a link takes from a response, by location and name. Path values are percent-decoded."""
    return {
        place: {
            name: unquote(each.value.ok()) if each.definition.startswith("$request.path") else each.value.ok()
            for name, each in given.items()
            if isinstance(each.value, Ok) and each.value.ok() not in (None, UNRESOLVABLE)
        }
        for place, given in transition.parameters.items()
    }


def sent_by(transition: Transition) -> Any:
    """The body that a link sends; empty if it has none."""
    found = transition.request_body.value if transition.request_body is not None else Ok({})
    return found.ok() if isinstance(found, Ok) else UNRESOLVABLE


def is_complete(transition: Transition) -> bool:
    """Whether the response contains every value that the link needs."""
    found = found_by(transition)
    needed = [
        (place, name)
        for place, given in transition.parameters.items()
        for name, each in given.items()
        if not each.definition.startswith(("$request.query", "$request.header"))
    ]
    return all(name in found[place] for place, name in needed) and UNRESOLVABLE not in leaves(sent_by(transition))


def was_followed(transition: Transition, case: Any) -> bool:
    """Whether the request sent the values of the link."""
    sent = all(
        (getattr(case, place) or {}).get(name) == value
        for place, found in found_by(transition).items()
        for name, value in found.items()
    )
    return sent and is_complete(transition) and set(leaves(sent_by(transition))) <= set(leaves(case.body))


def leaves(value: Any) -> list[Any]:
    """All scalar values in a document."""
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in leaves(each)]
    if isinstance(value, list):
        return [leaf for each in value for leaf in leaves(each)]
    return [value]

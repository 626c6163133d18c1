"""A walk along the links of the merged OpenAPI, as several users, with every check of schemathesis.

Hypothesis chooses the steps, and schemathesis generates the values that no link provides. Three of four scenarios
prefer steps towards a link that was not followed yet, so that a bounded walk covers all links.
"""

import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import hypothesis
import hypothesis.errors
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.transport import Response
from schemathesis.generation.stateful.state_machine import StepInput, StepOutput

from ..journeys.people import Person
from ..journeys.waiting import POLL
from .expected_failures import is_failure, spare_others
from .link_client import SUCCESS, Client
from .link_guide import Guide, Walked, found_by, is_complete, outgoing, sent_by, was_followed

ROUND = 12
"""Scenarios that Hypothesis plans at a time; the first of each is its simplest."""
STEPS = 14


class Walk:
    """The steps of a scenario beyond those of schemathesis; mixed into the state machine of a schema."""

    client: Client
    walked: Walked

    def __init__(self) -> None:
        super().__init__()
        self.walked.scenarios += 1
        self.asked: dict[str, Person] = {}
        self.two = self.client.two(self.walked.scenarios)
        if self.walked.scenarios % 4 and self.walked.missing:
            self.control = Guide(self, self.walked)

    def step(self, input: StepInput) -> StepOutput:  # noqa: A002
        """Send as the right user, check, remember. Failures are kept, because Hypothesis may treat them as flaky."""
        try:
            return self._step_as_somebody(input)
        except Exception as error:
            self.walked.failures.setdefault(f"{input.case.operation.label}: {error!r}", traceback.format_exc())
            raise

    def _step_as_somebody(self, input: StepInput) -> StepOutput:  # noqa: A002
        case, transition = input.case, input.transition
        parent = self.asked.get(transition.parent_id) if transition else None
        if case.meta is not None and case.meta.generation.mode.is_positive:
            whole = transition if transition is not None and is_complete(transition) else None
            self.client.prepare(case, *((found_by(whole), sent_by(whole)) if whole else ({}, {})))
        spare_others(case)
        person = self.asked[case.id] = self.client.user_of(case, parent, self.two)
        case.headers["Authorization"] = f"Bearer {person.token}"
        output: StepOutput = super().step(input)  # type: ignore[misc]
        status = output.response.status_code
        self.client.learn(person, case, output.response)
        self.walked.steps += 1
        for link in outgoing(self.control.transitions.operations.get(case.operation.label)):
            if status in SUCCESS and (str(status) != link.status_code or not is_complete(link.extract(output))):
                self.walked.tried[link.full_name] += 1
        if transition is not None:
            source = self.recorder.cases[transition.parent_id].value.operation.label  # type: ignore[attr-defined]
            self.walked.ways[source, case.operation.label, status] += 1
            self.walked.tried[transition.id] += 1
            if status in SUCCESS and was_followed(transition, case):
                self.walked.links[transition.id] += 1
        return output

    def call(self, case: Any, **kwargs: Any) -> Response:
        """Retry while an effect may not yet be visible in another service."""
        deadline = self.client.visible_by(case)
        while True:
            response: Response = super().call(case, **kwargs)  # type: ignore[misc]
            if response.status_code != 404 or time.monotonic() > deadline:
                return response
            time.sleep(POLL)

    def validate_response(self, response: Response, case: Any, *args: Any, **kwargs: Any) -> None:
        """Keep failures and continue."""
        try:
            super().validate_response(response, case, *args, **kwargs)  # type: ignore[misc]
        except FailureGroup as group:
            for failure in group.exceptions:
                self.walked.failures.setdefault(
                    f"{case.operation.label}: {failure}", report_of(case, response, failure)
                )


def report_of(case: Any, response: Response, failure: Failure) -> str:
    """A failure with its request and response."""
    return f"{failure}\n  {case.as_curl_command()[:1500]}\n  {response.status_code} {response.text[:800]}"


def walk(url: str, client: Client, *, seed: int, rounds: int) -> Iterator[Walked]:
    """Rounds of scenarios; yields the same record after each of them."""
    config = SchemathesisConfig.from_dict({"phases": {"stateful": {"inference": {"algorithms": []}}}})
    schema = schemathesis.openapi.from_url(f"{url}/v1/openapi.json", config=config)

    # Users are the host application's: no operation makes them, so none waits for one.
    for operation in schema.analysis.dependency_graph.operations.values():
        operation.inputs[:] = [slot for slot in operation.inputs if slot.resource.name != "User"]

    @schema.auth()
    class Somebody:
        """Sets the token of the user of a step."""

        def get(self, case: Any, context: Any) -> str:
            return client.admin.token

        def set(self, case: Any, token: str, context: Any) -> None:
            case.headers = {**(case.headers or {}), "Authorization": f"Bearer {token}"}

    @schema.hook
    def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
        return is_failure(failure, case, response) and not client.was_removed(failure, case)

    walked = Walked()
    machine: Any = type("AlongLinks", (Walk, schema.as_state_machine()), {"client": client, "walked": walked})
    links = (link for each in machine._transitions.operations.values() for link in each.outgoing)
    walked.links.update({link.full_name: 0 for link in links})
    settings = hypothesis.settings(
        max_examples=ROUND,
        stateful_step_count=STEPS,
        phases=[hypothesis.Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    for number in range(rounds):
        hypothesis.seed(seed * 1000 + number)(machine)
        with suppress(hypothesis.errors.Flaky):  # answers differ from one time to the next
            machine.run(settings=settings)
        yield walked

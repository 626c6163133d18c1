"""Metrics of MongoDB commands."""

from prometheus_client import Histogram
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from stories_shared.errors import MONGODB
from stories_shared.runtime.metrics import CommonMetrics

QUIET_COMMANDS = frozenset({"hello", "ping", "endSessions", "isMaster"})


class MongoCommandMetrics(CommandListener):
    """Measures the duration of MongoDB commands."""

    def __init__(self, metrics: CommonMetrics) -> None:
        self.metrics = metrics
        self._durations: dict[tuple[str, str], Histogram] = {}

    def started(self, event: CommandStartedEvent) -> None:
        """Nothing: a command is counted when it ends."""

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Count a success."""
        self._count(event.command_name, event.duration_micros, "ok")

    def failed(self, event: CommandFailedEvent) -> None:
        """Count a failure."""
        self._count(event.command_name, event.duration_micros, "error")

    def _count(self, command: str, micros: int, outcome: str) -> None:
        if command in QUIET_COMMANDS:
            return
        series = self._durations.get((command, outcome))
        if series is None:  # looked up once, since that takes longer than counting
            series = self._durations[command, outcome] = self.metrics.dependency_duration.labels(
                MONGODB, command, outcome
            )
        series.observe(micros / 1e6)
